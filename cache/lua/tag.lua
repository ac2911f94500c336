-- Notes that a value carries a tag, unless the tag was dropped since or too many values carry it.
-- KEYS: the tag. ARGV: sequence number, the value's key, its lifetime in milliseconds, the most values.
-- The tag is a sorted set: values by when they expire, in milliseconds, and '!' with the sequence number of the last drop,
-- which is in microseconds and so never looks expired.
local drop = redis.pcall('ZSCORE', KEYS[1], '!')
if type(drop) == 'table' then
  redis.call('DEL', KEYS[1])
elseif drop and tonumber(drop) > tonumber(ARGV[1]) then
  return 0
end
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[4]) then
  return 0
end
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[3]), ARGV[2])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
return 1

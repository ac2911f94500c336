-- Answers a text, which is used with that.
-- KEYS: as those of keep.lua, without the caller's. ARGV: id, lifetime in microseconds.
local text = redis.call('HGET', KEYS[1], ARGV[1])
if text then
  local clock = redis.call('TIME')
  redis.call('ZADD', KEYS[3], string.format('%.0f', tonumber(clock[1]) * 1000000 + tonumber(clock[2])), ARGV[1])
  for _, key in ipairs(KEYS) do
    redis.call('PEXPIRE', key, math.ceil(tonumber(ARGV[2]) / 1000))
  end
end
return text

-- Drops a tag: answers which values carry it and refuses late ones for a while. A Redis whose memory is full refuses the
-- writes; the answer must come all the same.
-- KEYS: the tag. ARGV: sequence number, how long to refuse in milliseconds.
local members = redis.pcall('ZRANGE', KEYS[1], 0, -1)
redis.call('DEL', KEYS[1])
redis.pcall('ZADD', KEYS[1], ARGV[1], '!')
redis.pcall('PEXPIRE', KEYS[1], ARGV[2])
if members.err then
  return {}
end
return members

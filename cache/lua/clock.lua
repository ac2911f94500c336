-- Makes the next sequence number: microseconds of this server, but always more than the last one. A clock that was lost
-- goes on after it.
-- KEYS: the clock.
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000000 + tonumber(t[2])
local seq = math.max(now, (tonumber(redis.call('GET', KEYS[1])) or 0) + 1)
local text = string.format('%.0f', seq)
redis.call('SET', KEYS[1], text)
return text

-- Takes points out of a bucket that fills by itself.
-- KEYS: the bucket. ARGV: capacity, points per second, points to take (negative gives back).
-- Answers {1 if taken, the points that are left}.
local capacity, restore, n = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local kept = redis.pcall('HMGET', KEYS[1], 'points', 'at')
if kept.err then
  redis.call('DEL', KEYS[1])
  kept = {}
end
local points = tonumber(kept[1] or '') or capacity
local at = tonumber(kept[2] or '') or now
points = math.min(capacity, points + math.max(0, now - at) * restore)
local taken = 0
if n <= points then
  points = math.min(capacity, points - n)
  taken = 1
end
redis.call('HSET', KEYS[1], 'points', string.format('%.6f', points), 'at', string.format('%.6f', math.max(now, at)))
if restore > 0 then
  redis.call('PEXPIRE', KEYS[1], math.ceil((capacity - points) / restore * 1000) + 1000)
end
return {taken, string.format('%.6f', points)}

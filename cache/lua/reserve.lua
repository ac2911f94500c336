-- Books the earliest start at which every rate has room.
-- KEYS: the starts, a sorted set by microseconds of this server's clock.
-- ARGV: a name for the start, the name of one that is known to be here or an empty one, the longest wait in microseconds or -1, the longest window in microseconds,
--   the number of rates, count and microseconds of each, then name and age (negative: still to come) of starts that were
--   booked elsewhere meanwhile.
-- Answers {1 if booked, the wait in microseconds}; {2, 0} without booking if the known start is not here, since then others
--   are lost as well.
local key, name, known, latest, longest, rates = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
if redis.call('TYPE', key).ok ~= 'zset' then
  redis.call('DEL', key)
end
if known ~= '' and not redis.call('ZSCORE', key, known) then
  return {2, '0'}
end
for i = 6 + 2 * rates, #ARGV, 2 do
  redis.call('ZADD', key, string.format('%.0f', now - tonumber(ARGV[i + 1])), ARGV[i])
end
redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('%.0f', now - longest))
local all = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
local starts = {}
for i = 2, #all, 2 do
  starts[#starts + 1] = tonumber(all[i])
end
local t, before = now, nil
while t ~= before do
  before = t
  for r = 0, rates - 1 do
    local n, per = tonumber(ARGV[6 + 2 * r]), tonumber(ARGV[7 + 2 * r])
    for i = 1, #starts - n + 1 do
      local first, last = starts[i], starts[i + n - 1]
      if math.max(t, last) - math.min(t, first) < per then
        t = first + per
      end
    end
  end
end
local wait = t - now
local booked = 1
if latest >= 0 and wait > latest then
  booked = 0
else
  redis.call('ZADD', key, string.format('%.0f', t), name)
end
redis.call('PEXPIRE', key, math.ceil((longest + wait) / 1000) + 1000)
return {booked, string.format('%.0f', wait)}

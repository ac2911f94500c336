-- Leases starts of a sliding window. Every lease is one entry, however many starts it holds, so that a call of this script
-- takes constant time (an entry is added once and leaves once).
-- KEYS: a hash with the starts of each entry by its id, how many logs it has left, and the sum of each rate, then the log of each rate, a list of
--   "time id", the oldest first. Times are microseconds of this server's clock.
-- ARGV: an id for the lease, how many starts are wanted (0: none), for how many microseconds from now they may be used, the
--   id of an entry that is known to be here or an empty one, milliseconds after which all may be forgotten, count and
--   microseconds of each rate (the longest last), then changes: the id of an entry that loses starts or an empty one, how
--   many, the id of the entry that gets them or an empty one, and how many microseconds ago that was (negative: to come).
-- Answers {starts leased, microseconds until there may be more, starts left of each rate}; the first is -1, without
--   anything done, where the known entry is not here: then others are lost as well.
local hash, rates = KEYS[1], #KEYS - 1
local id, want, life, known, expires = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4], ARGV[5]
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
if known ~= '' and redis.call('HEXISTS', hash, known) == 0 then
  local answer = {-1, '0'}
  for i = 1, rates do
    answer[i + 2] = 0
  end
  return answer
end

local function change(entry, n)
  redis.call('HINCRBY', hash, entry, n)
  -- It leaves the logs in their order.
  for i = tonumber(redis.call('HGET', hash, 'left' .. entry) or 0) + 1, rates do
    redis.call('HINCRBY', hash, 'sum' .. i, n)
  end
end

local function add(entry, at, n)
  if redis.call('HEXISTS', hash, entry) == 0 then
    -- One from the past does not enter the logs that would hold it no more, nor wait there behind newer ones.
    local left = 0
    while left < rates and at <= now - tonumber(ARGV[7 + 2 * left]) do
      left = left + 1
    end
    if left == rates then
      return
    end
    redis.call('HSET', hash, 'left' .. entry, left)
    for i = left + 1, rates do
      redis.call('RPUSH', KEYS[i + 1], string.format('%.0f', at) .. ' ' .. entry)
    end
    change(entry, n)
  end
end

for i = 6 + 2 * rates, #ARGV, 4 do
  local from, n, to = ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2]
  if from ~= '' then
    local held = tonumber(redis.call('HGET', hash, from) or 0)
    change(from, -math.min(held, n))
  end
  if to ~= '' then
    add(to, now - tonumber(ARGV[i + 3]), n)
  end
end

local free, wait, remaining = want, 0, {}
for i = 1, rates do
  local count, per, sum = tonumber(ARGV[4 + 2 * i]), tonumber(ARGV[5 + 2 * i]), 'sum' .. i
  local at
  while true do
    local oldest = redis.call('LINDEX', KEYS[i + 1], 0)
    if not oldest then
      break
    end
    local time, entry = string.match(oldest, '^(%S+) (%S+)$')
    at = tonumber(time)
    local n = tonumber(redis.call('HGET', hash, entry) or 0)
    if at > now - per and n > 0 then
      break
    end
    redis.call('LPOP', KEYS[i + 1])
    redis.call('HINCRBY', hash, sum, -n)
    if i == rates then
      redis.call('HDEL', hash, entry, 'left' .. entry)
    else
      redis.call('HSET', hash, 'left' .. entry, i)
    end
  end
  local left = count - tonumber(redis.call('HGET', hash, sum) or 0)
  remaining[i] = left
  free = math.min(free, left)
  if left <= 0 and at then
    wait = math.max(wait, at + per - now)
  end
end
if want > 0 and free > 0 then
  add(id, now + life, free)
end
for i = 1, #KEYS do
  redis.call('PEXPIRE', KEYS[i], expires)
end
free = math.max(free, 0)
local answer = {free, string.format('%.0f', wait)}
for i = 1, rates do
  answer[i + 2] = remaining[i] - free
end
return answer

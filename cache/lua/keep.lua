-- Keeps a text of a caller. Where that is too much, the texts go that were not used for longest: first the caller's own
-- until these are few enough, then any.
-- KEYS: a hash with the texts; a hash with the size and caller of each, and the sums of each caller and of all; the texts by
--   their last use; those of the caller, by a use that may not be the last.
-- ARGV: id, caller, text, most bytes of a caller, most bytes of all, lifetime in microseconds.
-- Answers whether the text is kept.
local texts, sizes, used, own = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local id, caller, most, all, life = ARGV[1], ARGV[2], tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local size = #ARGV[3] + 200 -- what the keys take, about
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local mine = 'of ' .. caller

local function entry(name)
  local held, owner = string.match(redis.call('HGET', sizes, name) or '', '^(%d+) (.+)$')
  return tonumber(held), owner
end

local function sum(name)
  return tonumber(redis.call('HGET', sizes, name) or 0)
end

local function forget(name)
  local held, owner = entry(name)
  if held then
    redis.call('HINCRBY', sizes, 'all', -held)
    if redis.call('HINCRBY', sizes, 'of ' .. owner, -held) <= 0 then
      redis.call('HDEL', sizes, 'of ' .. owner)
    end
  end
  redis.call('HDEL', sizes, name)
  redis.call('HDEL', texts, name)
  redis.call('ZREM', used, name)
end

-- The list of a caller may have ended while others used its texts.
local function list()
  local entries = redis.call('HGETALL', sizes)
  for i = 1, #entries, 2 do
    local _, owner = string.match(entries[i + 1], '^(%d+) (.+)$')
    local at = owner == caller and redis.call('ZSCORE', used, entries[i])
    if at then
      redis.call('ZADD', own, at, entries[i])
    end
  end
end

local function forgetOwn()
  local oldest = redis.call('ZRANGE', own, 0, 0, 'WITHSCORES')
  local name = oldest[1]
  if not name then
    redis.call('HDEL', sizes, mine)
    return
  end
  local at = redis.call('ZSCORE', used, name)
  local _, owner = entry(name)
  if not at or owner ~= caller then
    redis.call('ZREM', own, name)
  elseif tonumber(at) > tonumber(oldest[2]) then
    redis.call('ZADD', own, at, name)
  else
    forget(name)
    redis.call('ZREM', own, name)
  end
end

forget(id)
for _, name in ipairs(redis.call('ZRANGEBYSCORE', used, '-inf', string.format('%.0f', now - life), 'LIMIT', 0, 100)) do
  forget(name)
end
if size > most or size > all then
  return 0
end
if sum(mine) > 0 and redis.call('EXISTS', own) == 0 then
  list()
end
while sum(mine) + size > most do
  forgetOwn()
end
while sum('all') + size > all do
  local oldest = redis.call('ZRANGE', used, 0, 0)[1]
  if oldest then
    forget(oldest)
  else
    redis.call('HDEL', sizes, 'all')
  end
end
redis.call('HSET', texts, id, ARGV[3])
redis.call('HSET', sizes, id, string.format('%.0f', size) .. ' ' .. caller)
redis.call('HINCRBY', sizes, mine, size)
redis.call('HINCRBY', sizes, 'all', size)
for _, set in ipairs({used, own}) do
  redis.call('ZADD', set, string.format('%.0f', now), id)
end
for _, key in ipairs(KEYS) do
  redis.call('PEXPIRE', key, math.ceil(life / 1000))
end
return 1

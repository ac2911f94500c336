-- Takes all keys for a holder, or none where another one has any of them.
-- ARGV: holder, life in milliseconds.
for _, key in ipairs(KEYS) do
  local holder = redis.call('GET', key)
  if holder and holder ~= ARGV[1] then
    return {0, 0}
  end
end
for _, key in ipairs(KEYS) do
  redis.call('SET', key, ARGV[1], 'PX', ARGV[2])
end
return {1, 0}

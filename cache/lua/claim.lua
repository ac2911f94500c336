-- Takes all keys for a holder, or none where a holder of another process has any of them.
-- ARGV: holder, life in milliseconds, what the holders of this process begin with.
for _, key in ipairs(KEYS) do
  local holder = redis.call('GET', key)
  if holder and string.sub(holder, 1, #ARGV[3]) ~= ARGV[3] then
    return {0, 0}
  end
end
for _, key in ipairs(KEYS) do
  redis.call('SET', key, ARGV[1], 'PX', ARGV[2])
end
return {1, 0}

-- Gives back the keys that a holder still has.
-- ARGV: holder.
for _, key in ipairs(KEYS) do
  if redis.call('GET', key) == ARGV[1] then
    redis.call('DEL', key)
  end
end
return {1, 0}

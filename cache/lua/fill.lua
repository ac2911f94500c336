-- Keeps a value unless what is there was fetched, or dropped, after it was asked for.
-- KEYS: the value. ARGV: sequence number, frame, lifetime in milliseconds.
local head = redis.pcall('GETRANGE', KEYS[1], 0, 16)
if type(head) == 'string' and #head == 17 and string.sub(head, 1, 1) == '1' then
  local seq = tonumber(string.sub(head, 2))
  if seq and seq > tonumber(ARGV[1]) then
    return 0
  end
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1

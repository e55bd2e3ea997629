-- Begin to load a budget from the rows. ARGV: now, meter, token, timeout_ms. While it is marked, nobody reserves or
-- settles on it. Returns 'ready', 'busy', or 'load', now and the ids that hold it: their rows are left out of the sum,
-- for their settlement adds them.
local key = ARGV[2]
if is_loaded(key) then
  return 'ready'
end
if not redis.call('SET', key .. ':loading', ARGV[3], 'NX', 'PX', ARGV[4]) then
  return 'busy'
end
local words = { 'load', whole(now) }
for _, id in ipairs(redis.call('ZRANGE', LEASES, '0', '-1')) do
  if redis.call('HEXISTS', RESERVATION .. id, 'h:' .. key) == 1 then
    words[#words + 1] = id
  end
end
return table.concat(words, ' ')

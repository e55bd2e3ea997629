-- End a load. ARGV: now, meter, token, ttl_ms (0: none), then fields and values of the meter. Returns 0 when the mark
-- is not ours any more: the sum may be out of date. What is reserved is what the live reservations hold.
local key, ttl_ms = ARGV[2], tonumber(ARGV[4])
if redis.call('GET', key .. ':loading') ~= ARGV[3] then
  return 0
end
local reserved = 0
for _, id in ipairs(redis.call('ZRANGE', LEASES, '0', '-1')) do
  local held = redis.call('HGET', RESERVATION .. id, 'h:' .. key)
  if held then
    reserved = reserved + tonumber(string.match(held, '^%a (%d+)'))
  end
end
redis.call('DEL', key, key .. ':loading')
redis.call('HSET', key, 'reserved', whole(reserved), unpack(ARGV, 5))
redis.call('ZREMRANGEBYSCORE', BUDGETS, '-inf', whole(now))
if ttl_ms > 0 then
  redis.call('PEXPIRE', key, ARGV[4])
  redis.call('ZADD', BUDGETS, whole(now + ttl_ms), key)
else
  redis.call('ZADD', BUDGETS, '+inf', key)
end
return 1

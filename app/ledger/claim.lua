-- Take over reservations whose lease has run out. ARGV: now, owner, lease_ms, how many at most. The claim is a lease
-- too: if the claimer dies as well, the next one takes over. Returns id, at, who, progress, held, model of each.
local claimed = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', LEASES, '-inf', whole(now), 'LIMIT', '0', ARGV[4])) do
  local record = RESERVATION .. id
  local fields = redis.call('HMGET', record, 'at', 'who', 'progress', 'held', 'model')
  if fields[1] then
    redis.call('HSET', record, 'owner', ARGV[2])
    redis.call('ZADD', LEASES, whole(now + tonumber(ARGV[3])), id)
    claimed[#claimed + 1] = { id, fields[1], fields[2], fields[3] or '', fields[4] or '', fields[5] or '' }
  else
    redis.call('ZREM', LEASES, id)
  end
end
return claimed

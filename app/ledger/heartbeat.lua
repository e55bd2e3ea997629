-- Renew leases and take down what the requests have cost so far. ARGV: now, owner, lease_ms, then id and progress
-- ('' unchanged) of each. Returns the ids that are no longer the owner's.
local owner, expiry, lost = ARGV[2], whole(now + tonumber(ARGV[3])), {}
for i = 4, #ARGV, 2 do
  local record = RESERVATION .. ARGV[i]
  if redis.call('HGET', record, 'owner') ~= owner then
    lost[#lost + 1] = ARGV[i]
  else
    redis.call('ZADD', LEASES, 'GT', expiry, ARGV[i]) -- one that has just been parked stays so
    if ARGV[i + 1] ~= '' then
      redis.call('HSET', record, 'progress', ARGV[i + 1])
    end
  end
end
return table.concat(lost, ' ')

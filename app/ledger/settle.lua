-- Give back what a reservation holds, and count what it used. ARGV: now, id, cost, tokens, park.
-- park = '1': its row lies in a spool and not in the database yet. Its cost stays reserved, without a lease, so that
-- whoever loads a budget from the rows meanwhile does not miss it; settled for good when the row has arrived.
local id, cost, tokens, park = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5] == '1'
local record = RESERVATION .. id
local found = redis.call('HGETALL', record)
if #found == 0 then
  return 'gone'
end
local holds = holds_of(found)
for key, held in pairs(holds) do
  if held.mode == 'm' and is_loading(key) then
    return 'busy' -- whoever loads it has left this request's row out, and counts on us
  end
end

for key, held in pairs(holds) do
  if held.mode == 'c' then
    if redis.call('HINCRBY', key, 'reserved', '-1') <= 0 then
      redis.call('DEL', key)
    end
    redis.call('HDEL', record, 'h:' .. key)
  elseif held.mode == 't' then
    spend(key, held.slot_ms, held.slots, held.slot, tokens - held.amount)
    redis.call('HDEL', record, 'h:' .. key)
  elseif park then
    if is_loaded(key) then
      hold(key, cost - held.amount)
    end
    held.key, held.amount = key, cost
    note_hold(record, held, held.slot)
  elseif is_loaded(key) then
    hold(key, -held.amount)
    spend(key, held.slot_ms, held.slots, held.slot, cost)
  end
end
if park then
  redis.call('ZADD', LEASES, '+inf', id)
else
  redis.call('DEL', record)
  redis.call('ZREM', LEASES, id)
end
return 'ok'

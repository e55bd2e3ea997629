-- Let a request in: all of its limits, or none. ARGV: now, id ('' only reads), owner, lease_ms, who, meters.
local id, owner, lease_ms, who = ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5]
local meters, missing, refused, frees = meters_from(6), {}, 0, 0
for index, meter in ipairs(meters) do
  meter.spent, meter.reserved, meter.last = read(meter.key, meter.slot_ms, meter.slots)
  if meter.mode == 'b' and not meter.spent then
    missing[#missing + 1] = index
  end
  local excess = (meter.spent or 0) + meter.reserved + meter.amount - meter.limit
  if refused == 0 and meter.amount > 0 and excess > 0 then
    refused = index
    frees = meter.mode == 'c' and 1000 or frees_in(meter.key, meter.slot_ms, meter.slots, excess)
  end
end
local no = obstacle(missing, refused, frees, meters)
if no then
  return no
end
if id == '' then
  return answer('ok', 0, 0, meters)
end

local record = RESERVATION .. id
redis.call('HSET', record, 'owner', owner, 'at', whole(now), 'who', who)
redis.call('ZADD', LEASES, whole(now + lease_ms), id)
for _, meter in ipairs(meters) do
  if meter.mode == 's' then
    meter.last = math.floor(now / meter.slot_ms)
    spend(meter.key, meter.slot_ms, meter.slots, meter.last, meter.amount)
    meter.spent = (meter.spent or 0) + meter.amount
  elseif meter.mode == 'c' then
    hold(meter.key, meter.amount)
    note_hold(record, meter, 0)
  end
end
return answer('ok', 0, 0, meters)

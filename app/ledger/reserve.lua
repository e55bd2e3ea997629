-- Hold tokens and money for an attempt, in place of what an earlier attempt held. ARGV: now, id, owner, cost, model,
-- meters (t and m). Money goes by the time of admission, tokens by the time of this call.
local record = RESERVATION .. ARGV[2]
local found = redis.call('HGETALL', record)
local fields = {}
for i = 1, #found, 2 do
  fields[found[i]] = found[i + 1]
end
if fields.owner ~= ARGV[3] then
  return 'gone'
end

local old = holds_of(found)
local meters, missing, refused, frees = meters_from(6), {}, 0, 0
for index, meter in ipairs(meters) do
  meter.spent, meter.reserved, meter.last = read(meter.key, meter.slot_ms, meter.slots)
  if meter.mode == 'm' and not meter.spent then
    missing[#missing + 1] = index
  end
  local excess = (meter.spent or 0) + meter.reserved + meter.amount - meter.limit
  local held = old[meter.key]
  if held and (meter.mode == 'm' or held.slot >= oldest(meter.slot_ms, meter.slots)) then
    excess = excess - held.amount
  end
  if refused == 0 and excess > 0 then
    refused = index
    frees = frees_in(meter.key, meter.slot_ms, meter.slots, excess)
  end
end
local no = obstacle(missing, refused, frees, meters)
if no then
  return no
end

for key, held in pairs(old) do
  if held.mode == 't' then
    spend(key, held.slot_ms, held.slots, held.slot, -held.amount)
    redis.call('HDEL', record, 'h:' .. key)
  elseif held.mode == 'm' then
    if is_loaded(key) then -- else: whoever loads it sums up what is held by then
      hold(key, -held.amount)
    end
    redis.call('HDEL', record, 'h:' .. key)
  end
end
local at = tonumber(fields.at)
for _, meter in ipairs(meters) do
  local slot = 0
  if meter.slot_ms > 0 then
    slot = math.floor((meter.mode == 'm' and at or now) / meter.slot_ms)
  end
  if meter.mode == 't' then
    spend(meter.key, meter.slot_ms, meter.slots, slot, meter.amount)
  else
    hold(meter.key, meter.amount)
  end
  note_hold(record, meter, slot)
  meter.spent, meter.reserved, meter.last = read(meter.key, meter.slot_ms, meter.slots)
end
redis.call('HSET', record, 'held', ARGV[4], 'model', ARGV[5])
return answer('ok', 0, 0, meters)

-- What every script of the ledger begins with. KEYS[1] is the set of leases; all keys carry the hash tag
-- {sextant}, so that they lie in one slot of a cluster. ARGV[1] is the time in ms, or '' for the server's own.
--
-- A meter is a hash:  spent     what is used up for good (absent: a budget that has not been loaded from the rows)
--                     reserved  what requests under way may still use
--                     <n>       the part of `spent` that fell into slot n (sliding windows only)
--                     head      the oldest slot that `spent` still holds;  last: the newest
-- A reservation is a hash: owner, at, who, progress, held, model, and for each hold  h:<meter> = mode amount slot
-- slot_ms slots.  Modes: s spent at once, c concurrency, t tokens, m money, w and b: a window or budget only read.
-- Numbers are doubles: exact up to 2^53. `whole` writes them in full, where Lua would write 1e+15.

local LEASES = KEYS[1]
local RESERVATION = '{sextant}:ledger:reservation:'
local BUDGETS = '{sextant}:ledger:budgets'
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local function whole(number)
  return string.format('%.0f', number)
end

local function oldest(slot_ms, slots)
  return math.floor(now / slot_ms) - slots + 1
end

-- Let what is older than the window slide out. Returns spent (nil: none, or not loaded), reserved and the newest slot.
local function read(key, slot_ms, slots)
  local found = redis.call('HMGET', key, 'spent', 'reserved', 'head', 'last')
  local spent, reserved = tonumber(found[1]), tonumber(found[2]) or 0
  local head, last = tonumber(found[3]), tonumber(found[4])
  if not spent or slot_ms == 0 then
    return spent, reserved, nil
  end
  if head > math.floor(now / slot_ms) then
    redis.call('DEL', key) -- the clock was set back by more than the window: begin anew, a budget from its rows
    return nil, reserved, nil
  end
  local first = oldest(slot_ms, slots)
  if head < first then
    local names = {}
    for slot = head, math.min(first - 1, last) do
      names[#names + 1] = whole(slot)
    end
    if #names > 0 then
      for _, amount in ipairs(redis.call('HMGET', key, unpack(names))) do
        spent = spent - (tonumber(amount) or 0)
      end
      redis.call('HDEL', key, unpack(names))
    end
    redis.call('HSET', key, 'spent', whole(spent), 'head', whole(first))
  end
  return spent, reserved, last
end

-- Add to what is spent, in a slot; what has left the window already is not counted, and no slot falls below 0.
-- A budget (it has `reserved`) is kept for as long as its load said; another window while it is used.
local function spend(key, slot_ms, slots, slot, amount)
  if amount == 0 then
    return
  end
  if slot_ms == 0 then
    redis.call('HINCRBY', key, 'spent', whole(amount))
    return
  end
  local name = whole(slot)
  local found = redis.call('HMGET', key, 'head', 'last', name, 'reserved')
  local head, last, there = tonumber(found[1]), tonumber(found[2]), tonumber(found[3]) or 0
  if not head then
    head = oldest(slot_ms, slots)
  end
  if slot < head then
    return
  end
  amount = math.max(amount, -there)
  if amount == 0 then
    return
  end
  redis.call('HINCRBY', key, 'spent', whole(amount))
  redis.call('HSET', key, 'head', whole(head), 'last', whole(math.max(last or slot, slot)), name, whole(there + amount))
  if not found[4] then
    redis.call('PEXPIRE', key, whole((slots + 1) * slot_ms + 60000))
  end
end

-- Change what is reserved. Never below 0: the store may have lost the moment when it was taken.
local function hold(key, amount)
  if redis.call('HINCRBY', key, 'reserved', whole(amount)) < 0 then
    redis.call('HSET', key, 'reserved', '0')
  end
end

-- Milliseconds until `amount` has left a window; -1: that much is not in it.
local function frees_in(key, slot_ms, slots, amount)
  if slot_ms == 0 then
    return -1
  end
  local bounds = redis.call('HMGET', key, 'head', 'last')
  local head, last = tonumber(bounds[1]), tonumber(bounds[2])
  for slot = head or 0, last or -1 do
    amount = amount - (tonumber(redis.call('HGET', key, whole(slot))) or 0)
    if amount <= 0 then
      return (slot + slots) * slot_ms - now
    end
  end
  return -1
end

local function is_loaded(key)
  return redis.call('HEXISTS', key, 'spent') == 1
end

local function is_loading(key)
  return redis.call('EXISTS', key .. ':loading') == 1
end

-- The holds of a reservation, by meter.
local function holds_of(record)
  local holds = {}
  for i = 1, #record, 2 do
    if string.sub(record[i], 1, 2) == 'h:' then
      local mode, amount, slot, slot_ms, slots = string.match(record[i + 1], '^(%a) (%d+) (%d+) (%d+) (%d+)$')
      holds[string.sub(record[i], 3)] = {
        mode = mode,
        amount = tonumber(amount),
        slot = tonumber(slot),
        slot_ms = tonumber(slot_ms),
        slots = tonumber(slots),
      }
    end
  end
  return holds
end

local function note_hold(record, meter, slot)
  local text = table.concat({ meter.mode, whole(meter.amount), whole(slot), whole(meter.slot_ms), whole(meter.slots) }, ' ')
  redis.call('HSET', record, 'h:' .. meter.key, text)
end

-- The meters that a call names from ARGV[from] on: key, limit, amount, mode, slot_ms, slots.
local function meters_from(from)
  local meters = {}
  for i = from, #ARGV, 6 do
    meters[#meters + 1] = {
      key = ARGV[i],
      limit = tonumber(ARGV[i + 1]),
      amount = tonumber(ARGV[i + 2]),
      mode = ARGV[i + 3],
      slot_ms = tonumber(ARGV[i + 4]),
      slots = tonumber(ARGV[i + 5]),
    }
  end
  return meters
end

-- One string, cheaper to read for the client than a list: status, now, which meter refused, when it frees, and of
-- each meter what is spent, what is reserved, and in how many ms its window will be empty.
local function answer(status, index, frees, meters)
  local words = { status, whole(now), index, whole(frees) }
  for _, meter in ipairs(meters) do
    local empty = 0
    if meter.slot_ms > 0 and (meter.spent or 0) > 0 then
      empty = math.max(0, ((meter.last or 0) + meter.slots) * meter.slot_ms - now)
    end
    words[#words + 1] = whole(meter.spent or 0)
    words[#words + 1] = whole(meter.reserved)
    words[#words + 1] = whole(empty)
  end
  return table.concat(words, ' ')
end

-- What keeps a call from going on, as its answer: budgets to be loaded first, or a limit. nil: nothing does.
local function obstacle(missing, refused, frees, meters)
  if #missing > 0 then
    return 'load ' .. table.concat(missing, ' ')
  end
  if refused > 0 then
    return answer('refused', refused, frees, meters)
  end
end

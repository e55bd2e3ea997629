-- Forget budgets, so that whoever needs one next loads it from the rows. ARGV: now, then meters; none: all of them.
-- A load under way is called off: it may have read the rows too early.
local keys = { unpack(ARGV, 2) }
if #keys == 0 then
  keys = redis.call('ZRANGE', BUDGETS, '0', '-1')
end
for _, key in ipairs(keys) do
  redis.call('DEL', key, key .. ':loading')
end
return #keys

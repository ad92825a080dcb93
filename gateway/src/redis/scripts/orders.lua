-- Reads the log of orders (order.lua).
--
-- KEYS[1] the log
-- Returns {age in ms, order, age, order...}, the oldest first.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local orders = {}
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', '+')) do
  local given = tonumber(string.match(entry[1], '^%d+'))
  orders[#orders + 1] = string.format('%.0f', math.max(0, now - given))
  orders[#orders + 1] = entry[2][2]
end
return orders

-- Renews the lease of a node.
--
-- KEYS[1] the lease
-- ARGV    1 how long it lasts (ms), 2 what it says
-- Returns {"held" | "missing" | "dead", its end in ms}: dead means that others dropped all this node had.
local held = redis.call('GET', KEYS[1])
if held == 'dead' then return { 'dead', '0' } end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[1])
local time = redis.call('TIME')
return { held and 'held' or 'missing', string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]) }

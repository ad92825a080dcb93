-- Makes a server report a change, and tells whether it is the one it was, and whether somebody has changed its settings.
--
-- KEYS[1] a key at that server, which is this node's own
-- ARGV    1 how long the key lives (ms)
-- Returns {"1" when the key was there, the replication id of the server, how often CONFIG SET was called there}.
local there = redis.call('EXISTS', KEYS[1])
redis.call('HINCRBY', KEYS[1], 'n', 1)
redis.call('PEXPIRE', KEYS[1], ARGV[1])
local id = string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)') or ''
local sets = string.match(redis.call('INFO', 'commandstats'), 'cmdstat_config|set:calls=(%d+)') or ''
return { tostring(there), id, sets }

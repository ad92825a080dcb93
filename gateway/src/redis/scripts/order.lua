-- Gives an order to all pods, and notes it for those that do not hear it now, if that is possible.
--
-- KEYS[1] the control channel, which is the name of the log (a stream), too: so both are in one slot
-- ARGV    1 PUBLISH or SPUBLISH, 2 the order, 3 how many orders the log holds at least, 4 how long it is kept (ms)
-- Returns 1.
-- A server that is out of memory refuses writes. Those who hear it now are to obey all the same.
redis.pcall('XADD', KEYS[1], 'MAXLEN', '~', ARGV[3], '*', 'o', ARGV[2])
redis.pcall('PEXPIRE', KEYS[1], ARGV[4])
redis.call(ARGV[1], KEYS[1], ARGV[2])
return 1

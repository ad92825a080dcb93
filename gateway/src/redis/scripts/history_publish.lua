-- Publishes a message and appends it to the history of its topic: both at once, or neither.
--
-- KEYS[1] where the stream is: hash of e (epoch), o (number of the last message), r (start of the replication id of the
--         primary when the epoch began). It outlives the messages; without it nobody can prove that nothing was lost
-- KEYS[2] the stream: the id of a message is its number, KEYS[3] the channel, KEYS[4] the idempotency key, if there is one
-- ARGV    1 PUBLISH or SPUBLISH, 2 the envelope, 3 a new epoch, 4 how many messages are kept, 5 and how long after the last
--         one (ms), 6 life of KEYS[1] (ms), 7 how long the idempotency key is remembered (ms)
-- Returns 1 when it was published, 0 when the idempotency key is known.
local head = redis.call('HMGET', KEYS[1], 'e', 'o', 'r')
local primary = string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)') or ''
primary = string.sub(primary, 1, 12)
local epoch, last = head[1], tonumber(head[2] or '0')
-- The first write comes behind all that may fail: a server that is out of memory refuses it, and then nothing has been
-- done. So a key is never remembered of a message that was not sent.
if KEYS[4] and not redis.call('SET', KEYS[4], '1', 'NX', 'PX', ARGV[7]) then return 0 end
if epoch and head[3] == primary then
  redis.call('HSET', KEYS[1], 'o', string.format('%.0f', last + 1))
else
  -- Lost, or on a replica that took over and may lack the last messages: that is another life.
  epoch, last = ARGV[3], 0
  redis.call('HSET', KEYS[1], 'e', epoch, 'o', '1', 'r', primary)
  redis.call('DEL', KEYS[2])
end
-- Before the envelope stands where the message is in the history (pubsub/kept.rs).
local place = '\1\4' .. string.char(#epoch) .. epoch .. struct.pack('>I8', last + 1)
local sent = redis.pcall(ARGV[1], KEYS[3], place .. ARGV[2])
if type(sent) == 'table' and sent.err then
  -- What was not sent may be tried again.
  redis.call('HSET', KEYS[1], 'o', string.format('%.0f', last))
  if KEYS[4] then redis.call('DEL', KEYS[4]) end
  return sent
end
local add = { 'XADD', KEYS[2], 'MAXLEN', '=', ARGV[4], string.format('%.0f-0', last + 1), 'm', ARGV[2] }
local added = redis.pcall(unpack(add))
if type(added) == 'table' and added.err then
  -- Somebody wrote there. What readers then miss they can tell by the numbers.
  redis.call('DEL', KEYS[2])
  redis.call(unpack(add))
end
redis.call('PEXPIRE', KEYS[2], ARGV[5])
redis.call('PEXPIRE', KEYS[1], ARGV[6])
return 1

-- Publishes a message unless one with the same idempotency key was published before: both at once, or neither.
--
-- KEYS[1] the idempotency key, KEYS[2] the channel; both are tagged with the topic
-- ARGV    1 PUBLISH or SPUBLISH, 2 the message, 3 how long the key is remembered (ms)
-- Returns 1 when it was published, 0 when the key is known.
if not redis.call('SET', KEYS[1], '1', 'NX', 'PX', ARGV[3]) then return 0 end
local sent = redis.pcall(ARGV[1], KEYS[2], ARGV[2])
if type(sent) == 'table' and sent.err then
  -- What was not sent may be tried again.
  redis.call('DEL', KEYS[1])
  return sent
end
return 1

-- What has changed in a topic since a position.
--
-- KEYS[1] the hash of the topic, KEYS[2] the list of its last changes (presence_write.lua)
-- ARGV    1 epoch, or "" for everything, 2 version
-- Returns {"same"}, {"changes", version, changes}, {"all", the hash}, or {"nothing"} when there is no such topic.
local hash, list = KEYS[1], KEYS[2]
local head = redis.call('HMGET', hash, 'e', 'v')
if not head[1] then return { 'nothing' } end
if head[1] == ARGV[1] then
  local behind = head[2] - ARGV[2]
  if behind == 0 then return { 'same' } end
  if behind > 0 then
    local changes = redis.call('LRANGE', list, -behind, -1)
    if #changes == behind and tonumber(string.match(changes[1], '^%d+')) == ARGV[2] + 1 then
      return { 'changes', head[2], changes }
    end
  end
end
return { 'all', redis.call('HGETALL', hash) }

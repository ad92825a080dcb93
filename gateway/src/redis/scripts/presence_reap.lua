-- Drops some of what a dead node has in a topic.
--
-- KEYS[1] the hash of the topic, KEYS[2] the list of its last changes (presence_write.lua)
-- ARGV    1 node, 2 most fields to drop, 3 life of what is empty (ms), 4 length of the list, 5 "1" to spare a node that
--         has said all it has in this epoch
-- Returns 1 when there is more to drop, else 0.
local hash, list, node = KEYS[1], KEYS[2], ARGV[1]
local complete = redis.call('HGET', hash, 's')
if not complete then return 0 end
local from, to = string.find(' ' .. complete, ' ' .. node .. ' ', 1, true)
if from and ARGV[5] == '1' then return 0 end
local dropped, more = {}, 0
for _, field in ipairs(redis.call('HKEYS', hash)) do
  if string.sub(field, 1, #node + 1) == node .. ':' then
    if #dropped == tonumber(ARGV[2]) then
      more = 1
      break
    end
    dropped[#dropped + 1] = field
  end
end
local fields = {}
if from and more == 0 then
  fields = { 's', string.sub(complete, 1, from - 1) .. string.sub(complete, to) }
end
if #dropped > 0 then
  redis.call('HDEL', hash, unpack(dropped))
  local version = tonumber(redis.call('HGET', hash, 'v')) + 1
  local change = string.format('%d\n%d\n', version, #dropped) .. table.concat(dropped, '\n')
  redis.call('RPUSH', list, change)
  redis.call('LTRIM', list, -ARGV[4], -1)
  redis.call('PEXPIRE', list, ARGV[3])
  fields[#fields + 1] = 'v'
  fields[#fields + 1] = version
end
if #fields > 0 then redis.call('HSET', hash, unpack(fields)) end
if redis.call('HLEN', hash) <= 4 then redis.call('PEXPIRE', hash, ARGV[3]) end
return more

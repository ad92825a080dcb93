-- Drops some of what a dead node has in a topic, or of what lingers there (node ~).
--
-- KEYS[1] the hash of the topic, KEYS[2] the list of its last changes (presence_write.lua)
-- ARGV    1 node, 2 most fields to drop, 3 life of what is empty (ms), 4 length of the list, 5 "abandoned" to spare a
--         node that has said all it has in this epoch, "expired" to spare what has still time, "dead" to spare nothing;
--         "left" is a node that lives and has nothing more there: it stays among those that have said all they have while
--         these are few, since others may wait for that word of it, and so that they don't grow with every node there was,
--         6 life of what only lingers (ms)
-- Returns 1 when there is more to drop, else 0.
local hash, list, node = KEYS[1], KEYS[2], ARGV[1]
local complete = redis.call('HGET', hash, 's')
if not complete then return 0 end
local from, to = string.find(' ' .. complete, ' ' .. node .. ' ', 1, true)
if from and ARGV[5] == 'abandoned' then return 0 end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- What lingers says until when at the end of its value.
local function goes(field)
  if ARGV[5] ~= 'expired' then return true end
  local left = string.match(redis.call('HGET', hash, field), ',(%d+)%]$')
  return not left or tonumber(left) <= now
end
local dropped, more, others = {}, 0, false
for _, field in ipairs(redis.call('HKEYS', hash)) do
  if string.sub(field, 1, #node + 1) == node .. ':' and goes(field) then
    if #dropped == tonumber(ARGV[2]) then
      more = 1
      break
    end
    dropped[#dropped + 1] = field
  elseif string.find(field, ':', 1, true) and string.sub(field, 1, 2) ~= '~:' then
    others = true
  end
end
local fields = {}
if from and more == 0 and (ARGV[5] ~= 'left' or #complete > 44) then
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
if redis.call('HLEN', hash) <= 4 then
  redis.call('PEXPIRE', hash, ARGV[3])
elseif more == 0 and not others then
  -- Nobody may be left who would drop it.
  redis.call('PEXPIRE', hash, ARGV[6])
end
return more

-- Changes what one node has in a topic: all or nothing, and the same again changes nothing more.
--
-- KEYS[1] the hash of the topic: fields NODE:REF, v (version), e (epoch), s (nodes that have said all they have in this
--         epoch, each followed by a space), r (replication id of the primary when the epoch began)
-- KEYS[2] the list of the last changes
-- ARGV    1 node, 2 end of its lease (ms), 3 epoch that it knows, or "" when this begins all it has, 4 a new epoch,
--         5 "1" when the topic has all it has after this, 6 life of what is empty (ms), 7 length of the list,
--         8 number of fields to drop, 9 number of references to claim, the fields, the references, then fields and values
--         to put
-- A claim takes over what lingers as ~:REF; it fails when that is gone, and then its record is not put. Only what this
-- node has, or what lingers already, is put as ~:REF: a leave that is told again, because its answer was lost, must not
-- bring back what somebody has taken over meanwhile.
-- Returns {"ok", epoch, failed claims...}, {"epoch"} when it is another one, {"expired"} when the lease has ended.
local hash, list, node = KEYS[1], KEYS[2], ARGV[1]
local time = redis.call('TIME')
if time[1] * 1000 + time[2] / 1000 > tonumber(ARGV[2]) then return { 'expired' } end

local epoch, whole = redis.call('HGET', hash, 'e'), ARGV[3] == ''
if not whole and epoch ~= ARGV[3] then return { 'epoch' } end
local complete = epoch and redis.call('HGET', hash, 's') or ''
local fields = {}
if whole then
  -- A replica that took over may lack the last changes: that is another life.
  local primary = string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)') or ''
  if not epoch or redis.call('HGET', hash, 'r') ~= primary then
    epoch, complete = ARGV[4], ''
    fields = { 'e', epoch, 'r', primary, 's', '' }
    redis.call('DEL', list)
  end
end

local said = string.find(' ' .. complete, ' ' .. node .. ' ', 1, true)
local dropped, put = {}, {}
local claims = 10 + tonumber(ARGV[8])
local first = claims + tonumber(ARGV[9])
local answer, kept, refused = { 'ok', epoch }, {}, {}
for i = claims, first - 1 do
  local field = node .. ':' .. ARGV[i]
  if redis.call('HDEL', hash, '~:' .. ARGV[i]) == 1 then
    dropped[#dropped + 1] = '~:' .. ARGV[i]
  elseif redis.call('HEXISTS', hash, field) == 0 then
    answer[#answer + 1] = ARGV[i]
    refused[field] = true
  end
end
for i = first, #ARGV, 2 do
  kept[ARGV[i]] = not refused[ARGV[i]]
  local left = string.match(ARGV[i], '^~:(.*)')
  if left and redis.call('HEXISTS', hash, ARGV[i]) + redis.call('HEXISTS', hash, node .. ':' .. left) == 0 then
    kept[ARGV[i]] = false
  end
  if kept[ARGV[i]] and redis.call('HGET', hash, ARGV[i]) ~= ARGV[i + 1] then
    put[#put + 1] = ARGV[i]
    put[#put + 1] = ARGV[i + 1]
  end
end
local gone, named = {}, {}
local function drop(field)
  if not named[field] then gone[#gone + 1] = field end
  named[field] = true
end
for i = 10, claims - 1 do drop(ARGV[i]) end
if whole and not said then
  -- Left over from a life in which this node's last words were lost.
  for _, field in ipairs(redis.call('HKEYS', hash)) do
    if string.sub(field, 1, #node + 1) == node .. ':' and not kept[field] then drop(field) end
  end
end
-- Each command is an event that wakes all pods: one HDEL, and below one HSET, unless there is too much for one.
for i = 1, #gone, 4000 do
  local last, here = math.min(i + 3999, #gone), {}
  for offset, value in ipairs(redis.call('HMGET', hash, unpack(gone, i, last))) do
    if value then here[#here + 1] = gone[i + offset - 1] end
  end
  if #here > 0 then redis.call('HDEL', hash, unpack(here)) end
  for _, field in ipairs(here) do dropped[#dropped + 1] = field end
end
if ARGV[5] == '1' and not said then
  fields[#fields + 1] = 's'
  fields[#fields + 1] = complete .. node .. ' '
end
if #fields + #put + #dropped == 0 then return answer end

local version = (tonumber(redis.call('HGET', hash, 'v') or '0')) + 1
local change = { string.format('%d', version), #dropped }
for _, field in ipairs(dropped) do change[#change + 1] = field end
for _, part in ipairs(put) do change[#change + 1] = part end
redis.call('RPUSH', list, table.concat(change, '\n'))
redis.call('LTRIM', list, -ARGV[7], -1)
redis.call('PEXPIRE', list, ARGV[6])
fields[#fields + 1] = 'v'
fields[#fields + 1] = version
for _, part in ipairs(fields) do put[#put + 1] = part end
for i = 1, #put, 4000 do
  redis.call('HSET', hash, unpack(put, i, math.min(i + 3999, #put)))
end
if redis.call('HLEN', hash) <= 4 then
  redis.call('PEXPIRE', hash, ARGV[6])
elseif redis.call('PTTL', hash) > 0 then
  redis.call('PERSIST', hash)
end
return answer

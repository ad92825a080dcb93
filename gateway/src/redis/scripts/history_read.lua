-- Reads messages of a topic's history, and where its stream is (history_publish.lua).
--
-- KEYS[1] where the stream is, KEYS[2] the stream
-- ARGV    1 the epoch of the position to read behind, or "" for whichever there is; of another one, all is read from the
--         start, 2 the number of the message to read behind, 3 most messages, 4 most bytes, unless the first has more,
--         5 a new epoch if one is to begin where there is none, else "", 6 life of KEYS[1] (ms), 7 the same while it has
--         no message yet
-- Returns {epoch, number of the last message, number of the oldest message or "", number, message, number...}, or {}.
local head = redis.call('HMGET', KEYS[1], 'e', 'o', 'r')
local primary = string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)') or ''
primary = string.sub(primary, 1, 12)
local epoch, last = head[1], head[2]
if not epoch or head[3] ~= primary then
  if ARGV[5] == '' then return {} end
  epoch, last = ARGV[5], '0'
  redis.call('HSET', KEYS[1], 'e', epoch, 'o', last, 'r', primary)
  redis.call('DEL', KEYS[2])
end
if ARGV[5] ~= '' then redis.call('PEXPIRE', KEYS[1], last == '0' and ARGV[7] or ARGV[6]) end
local oldest = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
local page = { epoch, last, oldest and string.match(oldest[1], '^%d+') or '' }
local after, most, room = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
if ARGV[1] ~= '' and ARGV[1] ~= epoch then after = '0' end
if not oldest or tonumber(after) >= tonumber(last) then return page end
while #page < 3 + 2 * most do
  -- A few at a time: each may be large.
  local some = redis.call('XRANGE', KEYS[2], '(' .. after .. '-0', '+', 'COUNT', 16)
  for _, entry in ipairs(some) do
    local message = entry[2][2]
    room = room - #message
    if #page == 3 + 2 * most or room < 0 and #page > 3 then return page end
    after = string.match(entry[1], '^%d+')
    page[#page + 1] = after
    page[#page + 1] = message
  end
  if #some < 16 then break end
end
return page

-- Makes the book of shares anew from the queues and the records, which are the truth.
-- KEYS: book of shares, pending lists
local book, now = KEYS[1], tonumber(microseconds())
redis.call('PERSIST', book) -- takes no room, and so a full Redis does not refuse what follows
local turns, known, used, length = turns_of(book), redis.call('HGETALL', book), {}, {}
local fresh = {clock = '0', audited = string.format('%.0f', now)}
for i = 1, #known, 2 do
  local kind, share = string.match(known[i], '^(%a+):(.*)$')
  if kind == 'used' then
    used[share] = tonumber(known[i + 1])
  elseif kind == 'length' then
    length[share] = known[i + 1]
  elseif not kind and known[i] ~= 'audited' then
    fresh[known[i]] = known[i + 1]
  end
end
for _, share in ipairs(redis.call('ZRANGE', turns, 0, -1)) do
  for _, priority in ipairs(priorities) do redis.call('DEL', list_of(book, share, priority)) end
end
local outcomes, kept = outcomes_of(book), 0
local goes = redis.call('HGETALL', outcomes)
for i = 1, #goes, 2 do
  if tonumber(goes[i]) * 1000000 < now then
    redis.call('HDEL', outcomes, goes[i])
  else
    kept = kept + goes[i + 1]
  end
end
fresh.outcomes = string.format('%.0f', kept)
local clock, busy, bytes, waiting, running = tonumber(fresh.clock), 0, 0, {}, {}
local function share_of(id, counts)
  local of = redis.pcall('HMGET', record_of(id), 'sh', 'len') -- an error where the key is not a record's
  local share = of[1] or ''
  bytes, counts[share] = bytes + length_of(of[2]), (counts[share] or 0) + 1
  return share
end
for k = 2, #KEYS do
  local pending = KEYS[k]
  local q = queue_of(pending)
  for _, id in ipairs(redis.call('LRANGE', q .. 'active', 0, -1)) do
    share_of(id, running)
    busy = busy + 1
  end
  if redis.call('EXISTS', q .. 'paused') == 0 then
    local ids = redis.call('LRANGE', pending, 0, -1)
    for i = #ids, 1, -1 do redis.call('LPUSH', list_of(book, share_of(ids[i], waiting), priority_of(pending)), ids[i]) end
  end
end
redis.call('DEL', book, turns)
fresh.busy, fresh.bytes = tostring(busy), string.format('%.0f', bytes)
for share, count in pairs(running) do fresh['running:' .. share] = tostring(count) end
for share, count in pairs(waiting) do
  fresh['waiting:' .. share] = tostring(count)
  used[share] = math.max(used[share] or 0, running[share] and 0 or clock)
  redis.call('ZADD', turns, string.format('%.0f', used[share]), share)
end
for share, n in pairs(used) do
  -- The others would begin at the clock in any case.
  if n > clock or running[share] or waiting[share] then
    fresh['used:' .. share], fresh['length:' .. share] = string.format('%.0f', n), length[share] or '0'
  end
end
for field, value in pairs(fresh) do redis.call('HSET', book, field, value) end

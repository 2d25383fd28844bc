-- Takes the next job of the share whose turn it is, and marks it running.
-- KEYS: wake-up list, list of free workers, book of shares, pending lists
-- ARGV: lease in s, the worker's channel or '', how many slots it has free, how many jobs have arrived on the channel, how long it may
--   be believed to be there in s, 1 when the book was made anew a moment ago
-- Returns what it has found, first:
--   {'job', asynq's message, id, pending list, created, started, attempt, request, client, how many of the lists have more, 1 when
--   somebody watches}
--   {'none', now, how many jobs are on their way to the worker, 0} when nothing waits
--   {'full', now, how many, 0} without looking, when they take all of its slots
--   {'kept', now, how many, microseconds} when what waits is not to have a slot yet: it is kept for another share for so long at most
--   {'wrong book', now, how many, 0} when something waits and the book does not say so: it is to be made anew
local channel, free, on_the_way = ARGV[2], tonumber(ARGV[3]), 0
if channel ~= '' then
  local told = redis.call('GET', channel)
  if told then
    on_the_way = math.max(0, told - ARGV[4])
    redis.call('EXPIRE', channel, ARGV[5])
  else
    redis.call('DEL', channel) -- a Redis that is full refuses a first write that takes room, and those after another not
    redis.call('SET', channel, ARGV[4], 'EX', ARGV[5])
  end
  free = free - on_the_way
  if free < 1 then return {'full', microseconds(), on_the_way, 0} end
end
-- Nothing waits any more: what wakes workers is emptied in the same step, and this one is free.
local function drained(slots)
  redis.call('DEL', KEYS[1])
  if channel ~= '' then
    redis.call('ZADD', KEYS[2], slots, channel)
    redis.call('EXPIRE', KEYS[2], 60)
  end
end
local started = microseconds()
local now, book, turns = tonumber(started), KEYS[3], turns_of(KEYS[3])

-- Takes a job out of the queue that it is in: the one that its record names, or another where that is damaged. Nil when it is in none, or
-- in one that is paused, whose jobs are out of the book until the next audit.
local function out_of_queue(id, named)
  local function out_of(pending)
    return redis.call('EXISTS', queue_of(pending) .. 'paused') == 0 and redis.call('LREM', pending, -1, id) > 0
  end
  for i = 4, #KEYS do
    if KEYS[i] == named and out_of(named) then return named end
  end
  for i = 4, #KEYS do
    if out_of(KEYS[i]) then return KEYS[i] end
  end
end

-- Moves the share's next job from its queue to the active ones, as asynq does; nil where what stood in the book waits no more.
local function take(a)
  local id = next_of(a)
  if not id then return end
  local rec = record_of(id)
  local f = redis.pcall('HMGET', rec, 'p', 'c', 'n', 'req', 'cl', 'live') -- an error where the key is not a record's
  local pending = out_of_queue(id, f[1])
  if not pending then return end
  local q = queue_of(pending)
  local task = q .. 't:' .. id
  local msg = redis.call('HGET', task, 'msg')
  if not msg or not (f[1] or f[2] or f[4]) then
    -- An id without a task or without a record belongs to nobody any more.
    redis.call('DEL', task)
    return
  end
  local attempt = (tonumber(f[3]) or 0) + 1
  redis.call('LPUSH', q .. 'active', id)
  redis.call('HSET', task, 'state', 'active')
  redis.call('HDEL', task, 'pending_since')
  redis.call('ZADD', q .. 'lease', math.floor(now / 1000000) + ARGV[1], id)
  redis.call('HSET', rec, 's', 'running', 'st', started, 'n', attempt)
  begin_run(a, now)
  -- Whoever takes the last job need not poll again before it waits: this was the poll.
  local more = redis.call('EXISTS', unpack(KEYS, 4))
  if more == 0 then
    drained(free - 1)
  elseif channel ~= '' then
    redis.call('ZREM', KEYS[2], channel)
  end
  return {'job', msg, id, pending, f[2] or '', started, attempt, f[4] or '', f[5] or '', more, f[6] and 1 or 0}
end

-- The first share in turn that may have the slot. Those that may not say how long it is kept.
local function first_in_turn()
  local wait, candidates = nil, redis.call('ZRANGE', turns, 0, 15)
  for _, share in ipairs(candidates) do
    local a = account(book, share)
    -- Never all slots while another waits.
    local all = a.slots > 1 and a.running + 1 >= a.slots and #candidates > 1
    local kept = all and briefly_kept or kept_from(a, now)
    while kept == 0 and a.waiting > 0 do
      local job = take(a)
      if job then
        settle(a)
        return job
      end
    end
    settle(a)
    if kept > 0 then wait = math.min(wait or kept, kept) end
  end
  return nil, wait
end

local job, wait = first_in_turn()
if job then return job end
if wait then
  -- With anything waiting nobody is dispatched a job: the next poll is this worker's own.
  redis.call('DEL', KEYS[1])
  if channel ~= '' then redis.call('ZREM', KEYS[2], channel) end
  return {'kept', started, on_the_way, math.ceil(wait)}
end
-- What waits and is not in the book came by another way, or its queue was paused. In a paused one it stays when the book is made anew.
if ARGV[6] ~= '1' and redis.call('EXISTS', unpack(KEYS, 4)) > 0 then return {'wrong book', started, on_the_way, 0} end
drained(free)
return {'none', started, on_the_way, 0}

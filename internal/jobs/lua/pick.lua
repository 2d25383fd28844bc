-- Takes the next job from the first of the pending lists that has one, and marks it running.
-- KEYS: bell, workers with free slots, pending lists in the order to try
-- ARGV: lease in s, the worker's channel or '', how many slots it has free, how many jobs it has heard of on the channel, how long it may
--   be believed to be there in s
-- Returns {asynq's message, id, pending list, created, started, attempt, request, client, how many of the lists have more}; or, when there
-- was none, {now, how many jobs are on their way to the worker}; or {now, how many, 1}, without a look, when they take all of its slots.
local channel, free, coming = ARGV[2], tonumber(ARGV[3]), 0
if channel ~= '' then
  local told = redis.call('GET', channel)
  if told then
    coming = math.max(0, told - ARGV[4])
    redis.call('EXPIRE', channel, ARGV[5])
  else
    redis.call('SET', channel, ARGV[4], 'EX', ARGV[5])
  end
  free = free - coming
  if free < 1 then return {microseconds(), coming, 1} end
end
local function found_none(slots)
  redis.call('DEL', KEYS[1])
  if channel ~= '' then
    redis.call('ZADD', KEYS[2], slots, channel)
    redis.call('EXPIRE', KEYS[2], 60)
  end
end
if redis.call('EXISTS', unpack(KEYS, 3)) == 0 then
  found_none(free)
  return {microseconds(), coming}
end
for i = 3, #KEYS do
  local pending = KEYS[i]
  local q = queue_of(pending)
  while redis.call('LLEN', pending) > 0 and redis.call('EXISTS', q .. 'paused') == 0 do
    local id = redis.call('RPOPLPUSH', pending, q .. 'active')
    local task, rec = q .. 't:' .. id, record_of(id)
    local msg = redis.call('HGET', task, 'msg')
    if msg and is_record(rec) then
      local started = microseconds()
      redis.call('HSET', task, 'state', 'active')
      redis.call('HDEL', task, 'pending_since')
      redis.call('ZADD', q .. 'lease', redis.call('TIME')[1] + tonumber(ARGV[1]), id)
      redis.call('HSET', rec, 's', 'running', 'st', started)
      local n = count(rec, 'n', 1) or 1
      local f = redis.call('HMGET', rec, 'c', 'req', 'cl')
      -- The last job's taker need not look again before it waits: this was the look.
      local more = redis.call('EXISTS', unpack(KEYS, 3))
      if more == 0 then
        found_none(free - 1)
      elseif channel ~= '' then
        redis.call('ZREM', KEYS[2], channel)
      end
      return {msg, id, pending, f[1] or '', started, n, f[2] or '', f[3] or '', more}
    end
    -- An id without a task or without a record belongs to nobody any more.
    redis.call('LREM', q .. 'active', 1, id)
    redis.call('DEL', task)
  end
end
found_none(free)
return {microseconds(), coming}

-- Takes the next job from the first of the pending lists that has one, and marks it running.
-- KEYS: bell, pending lists in the order to try   ARGV: lease in s
-- Returns nothing, or {asynq's message, id, pending list, created, started, attempt, request, client, how many of the lists have more}.
if redis.call('EXISTS', unpack(KEYS, 2)) == 0 then
  redis.call('DEL', KEYS[1])
  return false
end
for i = 2, #KEYS do
  local pending = KEYS[i]
  local q = queue_of(pending)
  while redis.call('LLEN', pending) > 0 and redis.call('EXISTS', q .. 'paused') == 0 do
    local id = redis.call('RPOPLPUSH', pending, q .. 'active')
    local task, rec = q .. 't:' .. id, record_of(id)
    local msg = redis.call('HGET', task, 'msg')
    if msg and redis.call('EXISTS', rec) == 1 then
      local started = microseconds()
      redis.call('HSET', task, 'state', 'active')
      redis.call('HDEL', task, 'pending_since')
      redis.call('ZADD', q .. 'lease', redis.call('TIME')[1] + tonumber(ARGV[1]), id)
      redis.call('HSET', rec, 's', 'running', 'st', started)
      local n = redis.call('HINCRBY', rec, 'n', 1)
      local f = redis.call('HMGET', rec, 'c', 'req', 'cl')
      -- The last job's taker need not look again before it waits: this was the look.
      local more = redis.call('EXISTS', unpack(KEYS, 2))
      if more == 0 then redis.call('DEL', KEYS[1]) end
      return {msg, id, pending, f[1], started, n, f[2] or '', f[3] or '', more}
    end
    -- An id without a task or without a record belongs to nobody any more.
    redis.call('LREM', q .. 'active', 1, id)
    redis.call('DEL', task)
  end
end
redis.call('DEL', KEYS[1])
return false

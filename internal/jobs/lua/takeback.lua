-- Takes a job away from the worker that has it: back to the head of its queue, or to its end when it was lost too often. The slot time
-- that it has had is its client's, unless it was never begun.
-- Returns the state it is in now, or nothing when it was no longer active.
local function take_back(book, pending, wakeups, id, as, limit, code, message)
  local q, rec = queue_of(pending), record_of(id)
  redis.call('ZREM', q .. 'lease', id)
  if redis.call('LREM', q .. 'active', 1, id) == 0 then return false end
  local known, now = redis.pcall('HMGET', rec, 's', 'sh', 'st'), tonumber(microseconds()) -- an error where the key is not a record's
  local status, started = known[1], tonumber(known[3]) or now
  local a = account(book, known[2] or '')
  end_run(a, now, as ~= 'unbegun' and now - started or nil)
  local function ended(as_status, end_code, end_message)
    redis.call('DEL', q .. 't:' .. id)
    if end_code then close(a, rec, id, as_status, end_code, end_message) end
    settle(a)
    return as_status
  end
  if status ~= 'running' and status ~= 'queued' then return ended(status) end
  if redis.call('HEXISTS', rec, 'cancel') == 1 then return ended('canceled', '', '') end
  if as == 'lost' and (count(rec, 'x', 1) or limit) >= limit then return ended('failed', code, message) end
  redis.call('HSET', rec, 's', 'queued')
  redis.call('HDEL', rec, 'st')
  redis.call('HSET', q .. 't:' .. id, 'state', 'pending')
  redis.call('RPUSH', pending, id)
  enqueue(a, id, pending, true)
  settle(a)
  wake(wakeups, pending)
  return 'queued'
end

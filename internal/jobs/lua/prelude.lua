-- What the scripts below share. Everything of a lane (its three asynq queues, the records of its jobs, its index) carries
-- the same hash tag, so that one script sees all of it in one step, on a cluster too:
--   asynq:{<lane>}-<priority>}:pending|active|lease|paused|t:<id>   asynq's own
--   safepy:{<lane>}:j:<id>    the record of a job, a hash:
--       s status, c created, st started, fin finished (unix microseconds by Redis' clock), n attempts, x times lost,
--       p pending list it is queued on, req request, reply channels to tell, cl client, fp fingerprint, ttl seconds,
--       cancel asked for, ec/em error code and message, doc the final job document, out/err/res what is too long for it:
--       stdout, stderr and result
--   safepy:{<lane>}:recent    job ids by creation, for listing
-- Without a cluster there are besides
--   safepy:free               the workers that have found nothing waiting: their channels by how many slots they have free
--   safepy:worker:<uuid>      how many jobs have been handed to a worker, on the channel of the same name

local function microseconds()
  local t = redis.call('TIME')
  return t[1] .. string.format('%06d', tonumber(t[2]))
end

local function queue_of(pending) return string.sub(pending, 1, -8) end

-- The last two digits of an id are the lane of its record.
local function record_of(id) return 'safepy:{lane' .. tonumber(string.sub(id, -2), 16) .. '}:j:' .. id end

-- What else may lie under a record's key is nobody's.
local function is_record(rec) return redis.call('TYPE', rec).ok == 'hash' end

-- A day, where a record has lost its time to live.
local function seconds_to_live(ttl) return tonumber(ttl) or 86400 end

-- Adds to a number of a record; false where that is none any more.
local function count(rec, field, by)
  local n = redis.pcall('HINCRBY', rec, field, by)
  return type(n) == 'number' and n
end

local function wake(bell, pending)
  -- One token per job: whoever takes one looks at the queues once. More than a thousand would only be looked at in vain.
  if redis.call('LLEN', bell) < 1024 then redis.call('RPUSH', bell, pending) end
end

-- Tells everybody who asked. The document travels along when it is small, which saves them the read.
local function tell(channels, id, doc)
  if channels then
    for channel in string.gmatch(channels, '%S+') do redis.call('PUBLISH', channel, id .. doc) end
  end
end

local function forget_request(rec, ttl)
  redis.call('HDEL', rec, 'req', 'reply', 'cancel')
  redis.call('EXPIRE', rec, seconds_to_live(ttl))
end

local function count_processed(q, day, expires)
  if redis.call('INCR', q .. 'processed:' .. day) == 1 then
    redis.call('EXPIREAT', q .. 'processed:' .. day, expires)
  end
  redis.call('INCR', q .. 'processed')
end

-- A final state that no run of the script brought about.
local function close(rec, id, status, code, message)
  redis.call('HSET', rec, 's', status, 'fin', microseconds())
  if code ~= '' then redis.call('HSET', rec, 'ec', code, 'em', message) end
  local known = redis.call('HMGET', rec, 'reply', 'ttl')
  tell(known[1], id, '')
  forget_request(rec, known[2])
end

-- Takes a job away from the worker that has it: back to the head of its queue, or to its end when it was lost too often.
-- Returns the state it is in now, or nothing when it was no longer active.
local function take_back(pending, bell, id, lost, limit, code, message)
  local q, rec = queue_of(pending), record_of(id)
  redis.call('ZREM', q .. 'lease', id)
  if redis.call('LREM', q .. 'active', 1, id) == 0 then return false end
  if not is_record(rec) then
    redis.call('DEL', q .. 't:' .. id)
    return false
  end
  local status = redis.call('HGET', rec, 's')
  if status ~= 'running' and status ~= 'queued' then
    redis.call('DEL', q .. 't:' .. id)
    return status
  end
  if redis.call('HEXISTS', rec, 'cancel') == 1 then
    redis.call('DEL', q .. 't:' .. id)
    close(rec, id, 'canceled', '', '')
    return 'canceled'
  end
  local times = lost and (count(rec, 'x', 1) or limit)
  if lost and times >= limit then
    redis.call('DEL', q .. 't:' .. id)
    close(rec, id, 'failed', code, message)
    return 'failed'
  end
  redis.call('HSET', rec, 's', 'queued')
  redis.call('HDEL', rec, 'st')
  redis.call('HSET', q .. 't:' .. id, 'state', 'pending')
  redis.call('RPUSH', pending, id)
  wake(bell, pending)
  return 'queued'
end

-- What the scripts below share. Everything of a lane (its three asynq queues, the records of its jobs, its index) carries
-- the same hash tag, so that one script sees all of it in one step, on a cluster too:
--   asynq:{<lane>}-<priority>}:pending|active|lease|paused|t:<id>   asynq's own
--   safepy:{<lane>}:j:<id>    the record of a job, a hash:
--       s status, c created, st started, fin finished (unix microseconds by Redis' clock), n attempts, x times lost,
--       p pending list it is queued on, req request, len its length, reply channels to tell, cl client, sh its share, fp fingerprint,
--       ttl seconds,
--       cancel asked for, live somebody watches, ec/em error code and message, doc the final job document, out/err/res what is too long for it:
--       stdout, stderr and result; cs its cases, those that have ended by now while it runs
--   safepy:{<lane>}:live:<id>:<attempt>:out|err|cases   what a run has written by now, while somebody watches
--   safepy:{<lane>}:recent job ids by creation, for listing
-- Without a cluster there are besides
--   safepy:bell               the wake-up list: tokens that wake workers, each the pending list that a job is in
--   safepy:free               the list of free workers, that have found nothing waiting: their channels by how many slots they have free
--   safepy:worker:<uuid>      how many jobs have been dispatched to a worker, on the channel of the same name

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

local function wake(wakeups, pending)
  -- One token per job: whoever takes one polls the queues once. More than a thousand would only be polled for in vain.
  if redis.call('RPUSH', wakeups, pending) > 1024 then redis.call('RPOP', wakeups) end
end

-- Tells everybody who asked. The document travels along when it is small, which saves them the read.
local function tell(channels, id, doc)
  if channels then
    for channel in string.gmatch(channels, '%S+') do redis.call('PUBLISH', channel, id .. doc) end
  end
end

-- The bytes of the request are no longer on the books: a is its share's account.
local function forget_request(a, rec, ttl, bytes)
  note_bytes(a, -length_of(bytes))
  redis.call('HDEL', rec, 'req', 'reply', 'cancel', 'live')
  redis.call('EXPIRE', rec, seconds_to_live(ttl))
end

local function count_processed(q, day, expires)
  if redis.call('INCR', q .. 'processed:' .. day) == 1 then
    redis.call('EXPIREAT', q .. 'processed:' .. day, expires)
  end
  redis.call('INCR', q .. 'processed')
end

-- A final state that no run of the script brought about.
local function close(a, rec, id, status, code, message)
  redis.call('HSET', rec, 's', status, 'fin', microseconds())
  if code ~= '' then redis.call('HSET', rec, 'ec', code, 'em', message) end
  local known = redis.call('HMGET', rec, 'reply', 'ttl', 'len')
  tell(known[1], id, '')
  forget_request(a, rec, known[2], known[3])
end

-- Writes the outcome of a run and takes the job off asynq's books in the same step, so that there is no moment in which a
-- finished job could be run again. The first final state wins.
-- KEYS: pending list, workers with free slots   ARGV: id, status, finished, error code, error message, document, longest document to
--   publish, day, when the day's count expires, attempt, the worker's channel or '', how long it may be believed to be there
--   in s, fields kept apart from the document with their values...
-- Returns 1 when the final state was this one, and 2 more when the worker's slot is known to be free: it need not look before it waits.
local q, rec = queue_of(KEYS[1]), record_of(ARGV[1])
local known = redis.pcall('HMGET', rec, 's', 'n', 'reply', 'ttl') -- an error where the key has become something else: there is no state
local status = known[1]
local won = 0
if status == 'running' or status == 'queued' then
  won = 1
  -- Queued: this worker was thought dead and the job given back. Its result is as good as the next one.
  if status == 'queued' then redis.call('LREM', KEYS[1], 0, ARGV[1]) end
  redis.call('HSET', rec, 's', ARGV[2], 'fin', ARGV[3], 'doc', ARGV[6])
  if ARGV[4] ~= '' then redis.call('HSET', rec, 'ec', ARGV[4], 'em', ARGV[5]) end
  if #ARGV > 12 then redis.call('HSET', rec, unpack(ARGV, 13)) end
  -- A document that does not know of a later attempt stays here, where the count of attempts is put right on reading.
  local whole = #ARGV == 12 and #ARGV[6] <= tonumber(ARGV[7]) and known[2] == ARGV[10]
  tell(known[3], ARGV[1], whole and ARGV[6] or '')
  forget_request(rec, known[4])
  count_processed(q, ARGV[8], ARGV[9])
end
local had = redis.call('LREM', q .. 'active', 1, ARGV[1])
redis.call('ZREM', q .. 'lease', ARGV[1])
redis.call('DEL', q .. 't:' .. ARGV[1])
-- Once for each job, though the answer to the first time may be lost and this be said again. Only whoever is among them still: since its
-- look no job has had to wait.
local free = had == 1 and ARGV[11] ~= '' and redis.call('EXPIRE', ARGV[11], ARGV[12]) == 1
  and redis.call('ZADD', KEYS[2], 'XX', 'INCR', 1, ARGV[11])
return won + (free and 2 or 0)

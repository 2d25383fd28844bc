-- Writes the outcome of a run and takes the job off asynq's books in the same step, so that there is no moment in which a
-- finished job could be run again. The first final state wins.
-- KEYS: pending list, list of free workers, book of shares
-- ARGV: id, status, finished, error code, error message, document, longest document to publish, day, when the day's count expires,
--   attempt, the worker's channel or '', how long it may be believed to be there in s, 1 to write though Redis is full, most bytes
--   of outcomes to keep or 0, fields kept apart from the document with their values...
-- Returns 1 when the final state was this one, and 2 more when the worker's slot is in the list of free workers: it need not poll before it waits;
-- or -1, with nothing done, when the outcome does not fit into what may be kept.
local q, rec, first_apart = queue_of(KEYS[1]), record_of(ARGV[1]), 15
-- An error where the key has become something else: there is no state.
local known = redis.pcall('HMGET', rec, 's', 'n', 'reply', 'ttl', 'sh', 'st', 'len')
local status, finished = known[1], tonumber(ARGV[3])
local a = account(KEYS[3], known[5] or '')
local won, length = 0, #ARGV[6]
for i = first_apart + 1, #ARGV, 2 do length = length + #ARGV[i] end
if status == 'running' or status == 'queued' then
  local ttl, budget = seconds_to_live(known[4]), tonumber(ARGV[14])
  if budget > 0 then
    -- From half of the budget on, outcomes are kept for the shorter the less room there is: nothing is refused for a day because of
    -- what a busy hour has left behind. What is small has its room in any case.
    local room = math.max(0, budget - a.outcomes)
    if length > 16384 and length > room then return -1 end
    -- Somebody who polls must find it, so the smallest stay for ten minutes and all others for one.
    local least = length <= 1024 and 600 or 60
    if a.outcomes > budget / 2 then ttl = math.min(ttl, math.max(least, math.floor(ttl * 2 * room / budget))) end
  end
  won = 1
  -- Redis lets a script that has begun to write go on when it is full: what frees memory comes first, where the outcome is small.
  if ARGV[13] == '1' then redis.call('HDEL', rec, 'req', 'cs') end
  -- Queued: this worker was thought dead and the job given back. Its result is as good as the next one.
  if status == 'queued' then
    redis.call('LREM', KEYS[1], 0, ARGV[1])
    forget_waiting(a, ARGV[1], KEYS[1])
  end
  local fields = {'s', ARGV[2], 'fin', ARGV[3], 'doc', ARGV[6]}
  if ARGV[4] ~= '' then
    for _, value in ipairs({'ec', ARGV[4], 'em', ARGV[5]}) do fields[#fields + 1] = value end
  end
  for i = first_apart, #ARGV do fields[#fields + 1] = ARGV[i] end
  redis.call('HSET', rec, unpack(fields))
  -- A document that does not know of a later attempt stays here, where the count of attempts is put right on reading.
  local whole = #ARGV < first_apart and #ARGV[6] <= tonumber(ARGV[7]) and known[2] == ARGV[10]
  tell(known[3], ARGV[1], whole and ARGV[6] or '')
  forget_request(a, rec, ttl, known[7])
  note_outcome(a, length, ttl, finished)
  count_processed(q, ARGV[8], ARGV[9])
end
local had = redis.call('LREM', q .. 'active', 1, ARGV[1])
if had == 1 then end_run(a, finished, finished - (tonumber(known[6]) or finished)) end
redis.call('ZREM', q .. 'lease', ARGV[1])
redis.call('DEL', q .. 't:' .. ARGV[1])
settle(a)
-- Once for each job, though the answer to the first time may be lost and this be said again. Only a worker that is in the list still: since its
-- poll no job has had to wait.
local free = had == 1 and ARGV[11] ~= '' and redis.call('EXPIRE', ARGV[11], ARGV[12]) == 1
  and redis.call('ZADD', KEYS[2], 'XX', 'INCR', 1, ARGV[11])
return won + (free and 2 or 0)

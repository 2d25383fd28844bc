-- Accepts a job: its record, asynq's task, the index and a wake-up token in one step, so that nothing is half accepted. Where a worker waits
-- with a free slot the job is dispatched to it in the same step: it runs from then on.
-- KEYS: asynq's task key, pending list, record, index, wake-up list, list of free workers, book of shares
-- ARGV: asynq's message, id, now in ns, request, reply channel or '', client, fingerprint, ttl in s, first lease of a job that is
--   dispatched in s, longest request to dispatch, share, most bytes of requests that are not final or 0, most jobs that may wait or 0, how
--   many wait, what part of the room that others leave one share may fill
-- Returns {1, created, 1 when it was dispatched}; when the id is known already {0, its fingerprint}; or, when there is no room, {2,
-- 'bytes'} or {2, 'share'}.
local known = redis.call('HMGET', KEYS[3], 's', 'fp')
-- Without a status it is a batch's claim to its idempotency key, and no job.
if known[1] or known[2] then return {0, known[2]} end
local a, length = account(KEYS[7], ARGV[11]), #ARGV[4]
local budget, limit = tonumber(ARGV[12]), tonumber(ARGV[13])
if budget > 0 and a.bytes + length > budget then return {2, 'bytes'} end
if limit > 0 then
  -- A queue of eight jobs is anybody's.
  local others = math.max(0, ARGV[14] - a.waiting)
  if a.waiting >= math.max(8, math.floor((limit - others) * ARGV[15])) then return {2, 'share'} end
end
local created, q = microseconds(), queue_of(KEYS[2])
-- A Redis that is full or read-only refuses the first write, and asks no more after it.
redis.call('ZADD', KEYS[4], created, ARGV[2])
redis.call('EXPIRE', KEYS[4], ARGV[8])
-- By one job in sixteen: a few more than these do no harm.
if string.sub(ARGV[2], -4, -4) == '0' and redis.call('ZCARD', KEYS[4]) > 11000 then redis.call('ZREMRANGEBYRANK', KEYS[4], 0, 999) end

-- The worker with the most free slots, when it is there: it listens to its channel, and has renewed its word a short time ago.
local function free_worker()
  if #ARGV[4] > tonumber(ARGV[10]) or redis.call('EXISTS', q .. 'paused') == 1 then return false end
  while true do
    local worker = redis.call('ZREVRANGE', KEYS[6], 0, 0, 'WITHSCORES')
    if not worker[1] then return false end
    if tonumber(worker[2]) < 1 or kept_from(a, tonumber(created)) > 0 then
      -- Whoever finishes a job now must poll first.
      redis.call('DEL', KEYS[6])
      return false
    end
    if redis.call('EXISTS', worker[1]) == 1 and redis.call('PUBSUB', 'NUMSUB', worker[1])[2] > 0 then return worker[1] end
    redis.call('ZREM', KEYS[6], worker[1])
    redis.call('DEL', worker[1])
  end
end

arrive(a)
note_bytes(a, length)
local worker = free_worker()
local record = {
  's', worker and 'running' or 'queued', 'c', created, 'n', worker and 1 or 0, 'p', KEYS[2], 'req', ARGV[4], 'len', length, 'ttl', ARGV[8],
  'sh', ARGV[11],
}
for i, name in ipairs({'reply', 'cl', 'fp'}) do
  if ARGV[4 + i] ~= '' then
    record[#record + 1] = name
    record[#record + 1] = ARGV[4 + i]
  end
end
if worker then
  record[#record + 1] = 'st'
  record[#record + 1] = created
end
redis.call('HSET', KEYS[3], unpack(record))
if worker then
  redis.call('HSET', KEYS[1], 'msg', ARGV[1], 'state', 'active')
  redis.call('LPUSH', q .. 'active', ARGV[2])
  redis.call('ZADD', q .. 'lease', math.floor(created / 1000000) + ARGV[9], ARGV[2])
  redis.call('ZINCRBY', KEYS[6], -1, worker)
  redis.call('INCR', worker)
  begin_run(a, tonumber(created))
  settle(a)
  -- Last, when nothing can be refused any more: a message cannot be taken back.
  local parts, sizes = {ARGV[1], ARGV[2], KEYS[2], created, ARGV[4], ARGV[6]}, {}
  for i, part in ipairs(parts) do sizes[i] = #part end
  redis.call('PUBLISH', worker, table.concat(sizes, ' ') .. '\n' .. table.concat(parts))
  return {1, created, 1}
end
redis.call('HSET', KEYS[1], 'msg', ARGV[1], 'state', 'pending', 'pending_since', ARGV[3])
redis.call('LPUSH', KEYS[2], ARGV[2])
enqueue(a, ARGV[2], KEYS[2])
settle(a)
wake(KEYS[5], KEYS[2])
return {1, created, 0}

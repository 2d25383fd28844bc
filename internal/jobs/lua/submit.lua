-- Accepts a job: its record, asynq's task, the index and the bell in one step, so that nothing is half accepted.
-- KEYS: asynq's task key, pending list, record, index, bell
-- ARGV: asynq's message, id, now in ns, request, reply channel or '', client, fingerprint, ttl in s
-- Returns {1, created} or, when the id is known already, {0, its fingerprint}.
local known = redis.call('HMGET', KEYS[3], 's', 'fp')
if known[1] then return {0, known[2]} end
local created = microseconds()
local record = {'s', 'queued', 'c', created, 'n', 0, 'p', KEYS[2], 'req', ARGV[4], 'ttl', ARGV[8]}
for i, name in ipairs({'reply', 'cl', 'fp'}) do
  if ARGV[4 + i] ~= '' then
    record[#record + 1] = name
    record[#record + 1] = ARGV[4 + i]
  end
end
redis.call('HSET', KEYS[3], unpack(record))
redis.call('HSET', KEYS[1], 'msg', ARGV[1], 'state', 'pending', 'pending_since', ARGV[3])
redis.call('LPUSH', KEYS[2], ARGV[2])
redis.call('ZADD', KEYS[4], created, ARGV[2])
redis.call('EXPIRE', KEYS[4], ARGV[8])
if redis.call('ZCARD', KEYS[4]) > 11000 then redis.call('ZREMRANGEBYRANK', KEYS[4], 0, 999) end
wake(KEYS[5], KEYS[2])
return {1, created}

-- Ends a queued job, or marks a running one for its worker.
-- KEYS: record, book of shares   ARGV: id, channel the workers listen on
-- Returns the state it was in, or nothing when there is no such job.
local f = redis.call('HMGET', KEYS[1], 's', 'p', 'sh')
if f[1] == 'queued' then
  local q = queue_of(f[2])
  redis.call('LREM', f[2], 0, ARGV[1])
  redis.call('DEL', q .. 't:' .. ARGV[1])
  local a = account(KEYS[2], f[3] or '')
  forget_waiting(a, ARGV[1], f[2])
  close(a, KEYS[1], ARGV[1], 'canceled', '', '')
  settle(a)
elseif f[1] == 'running' then
  redis.call('HSET', KEYS[1], 'cancel', 1)
  redis.call('PUBLISH', ARGV[2], ARGV[1])
end
return f[1]

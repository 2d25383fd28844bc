-- Has a job's output be written down from now on, or from its start where it still waits.
-- KEYS: record   ARGV: id, channel the workers listen on
-- Returns the state that it is in, or nothing when there is no such job.
local status = redis.call('HGET', KEYS[1], 's')
if status == 'queued' or status == 'running' then
  redis.call('HSET', KEYS[1], 'live', 1)
  if status == 'running' then redis.call('PUBLISH', ARGV[2], ARGV[1]) end
end
return status

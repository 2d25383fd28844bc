-- Asks to be told of a job's end, and returns what is known of it now.
-- KEYS: record   ARGV: reply channel, fields to return...
local status = redis.call('HGET', KEYS[1], 's')
if status == 'queued' or status == 'running' then
  local channels = redis.call('HGET', KEYS[1], 'reply')
  if not channels then
    redis.call('HSET', KEYS[1], 'reply', ARGV[1])
  elseif not string.find(' ' .. channels .. ' ', ' ' .. ARGV[1] .. ' ', 1, true) then
    redis.call('HSET', KEYS[1], 'reply', channels .. ' ' .. ARGV[1])
  end
end
return redis.call('HMGET', KEYS[1], unpack(ARGV, 2))

-- One client's own limits: submissions per second (a leaky bucket kept as one timestamp) and jobs in flight (their ids).
-- KEYS: the client's jobs, the client's bucket
-- ARGV: id if it has little in flight, id if it has much, what is much, most in flight or 0, microseconds per request or 0, burst
-- Returns {0, in flight, id} when admitted, {1, in flight} when too many are, {2, microseconds to wait} when too fast.
local now = tonumber(microseconds())
local count = redis.call('ZCARD', KEYS[1])
if tonumber(ARGV[4]) > 0 and count >= tonumber(ARGV[4]) then return {1, count} end
local every = tonumber(ARGV[5])
if every > 0 then
  local full = tonumber(redis.call('GET', KEYS[2]) or 0)
  if full < now then full = now end
  local wait = full + every - now - every * tonumber(ARGV[6])
  if wait > 0 then return {2, math.ceil(wait)} end
  redis.call('SET', KEYS[2], string.format('%.0f', full + every), 'PX', math.ceil((full + every - now) / 1000) + 1000)
end
local id = ARGV[1]
if count >= tonumber(ARGV[3]) then id = ARGV[2] end
redis.call('ZADD', KEYS[1], now, id)
redis.call('EXPIRE', KEYS[1], 86400)
return {0, count, id}

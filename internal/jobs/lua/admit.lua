-- One client's own limits: submissions per second (a leaky bucket kept as one timestamp) and jobs in flight (their ids).
-- KEYS: the client's jobs, the client's bucket, the client's lane
-- ARGV: id, whose last two digits are its lane; crowded lanes; what is much in flight, most in flight or 0, microseconds per
--   request or 0, burst, number of lanes, the id under which the job counts if it is not to be that one
-- A client's jobs follow one another into one lane as long as it has any, so that whoever sends a thousand sends them all behind
-- its own first. Only one with little in flight leaves a lane that others have crowded.
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
local last = count > 0 and redis.call('GET', KEYS[3])
if last then
  local stays = count >= tonumber(ARGV[3]) or not string.find(ARGV[2], last, 1, true)
  if stays and tonumber(last, 16) < tonumber(ARGV[7]) then id = string.sub(id, 1, -3) .. last end
end
local lane = string.sub(id, -2)
if lane ~= last then redis.call('SET', KEYS[3], lane, 'EX', 86400) end
redis.call('ZADD', KEYS[1], now, ARGV[8] ~= '' and ARGV[8] or id)
redis.call('EXPIRE', KEYS[1], 86400)
return {0, count, id}

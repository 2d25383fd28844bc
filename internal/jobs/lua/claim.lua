-- Claims an idempotency key for a batch, and says which of the batch's jobs are there already.
-- The claim is a record that has a fingerprint and no status: to everybody but submissions there is no such job.
-- KEYS: the key's record, the record of each job   ARGV: the batch's fingerprint, ttl in s
-- Returns for each job 1 when it is there and 0 when not; nothing when the key stands for another request.
local known = {}
for i, rec in ipairs(KEYS) do
  local fp = redis.call('HGET', rec, 'fp')
  if fp and fp ~= ARGV[1] then return false end
  if i > 1 then known[i - 1] = fp and 1 or 0 end
end
redis.call('HSET', KEYS[1], 'fp', ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
return known

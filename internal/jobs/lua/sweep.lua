-- Takes back the jobs whose worker has not renewed its lease.
-- KEYS: wake-up list, book of shares, pending lists   ARGV: how often a job may be lost, error code, error message
-- Returns 'audit' when it is time to make the book anew, else '', and the ids that were taken back, each followed by its state.
local audited = redis.call('HGET', KEYS[2], 'audited')
local now = tonumber(microseconds())
local leases = {}
for i = 3, #KEYS do leases[i - 2] = queue_of(KEYS[i]) .. 'lease' end
local found = {now - tonumber(audited or 0) > audit_every and 'audit' or ''}
if redis.call('EXISTS', unpack(leases)) > 0 then
  for i = 3, #KEYS do
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', leases[i - 2], '-inf', math.floor(now / 1000000), 'LIMIT', 0, 100)) do
      local status = take_back(KEYS[2], KEYS[i], KEYS[1], id, 'lost', tonumber(ARGV[1]), ARGV[2], ARGV[3])
      if status then
        found[#found + 1] = id
        found[#found + 1] = status
      end
    end
  end
end
return found

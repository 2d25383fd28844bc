-- Takes back the jobs whose worker has not renewed its lease.
-- KEYS: bell, pending lists   ARGV: how often a job may be lost, error code, error message
-- Returns the ids that were taken back, each followed by its state.
local leases = {}
for i = 2, #KEYS do leases[i - 1] = queue_of(KEYS[i]) .. 'lease' end
local found = {}
if redis.call('EXISTS', unpack(leases)) == 0 then return found end
local now = redis.call('TIME')[1]
for i = 2, #KEYS do
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', leases[i - 1], '-inf', now, 'LIMIT', 0, 100)) do
    local status = take_back(KEYS[i], KEYS[1], id, true, tonumber(ARGV[1]), ARGV[2], ARGV[3])
    if status then
      found[#found + 1] = id
      found[#found + 1] = status
    end
  end
end
return found

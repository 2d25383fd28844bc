-- Takes back the jobs whose worker has not renewed its lease, and makes the book of shares anew when it is time.
-- KEYS: bell, book of shares, pending lists   ARGV: how often a job may be lost, error code, error message
-- Returns the ids that were taken back, each followed by its state.
local audited = redis.call('HGET', KEYS[2], 'audited')
local now = tonumber(microseconds())
local leases = {}
for i = 3, #KEYS do leases[i - 2] = queue_of(KEYS[i]) .. 'lease' end
local found = {}
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
if now - tonumber(audited or 0) > audit_every then audit(KEYS[2], {unpack(KEYS, 3)}, now) end
return found

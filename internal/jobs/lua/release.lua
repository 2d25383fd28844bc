-- Gives a running job back.
-- KEYS: pending list, wake-up list, book of shares
-- ARGV: id, 'lost' when it counts as that, 'unbegun' when no attempt was made, how often it may be lost, error code, error message, when
--   the run started that is given back, or '' for whichever
-- Said again, since the answer was lost, it must not take the job from who has it by then.
if ARGV[6] ~= '' and redis.pcall('HGET', record_of(ARGV[1]), 'st') ~= ARGV[6] then return false end
local now = take_back(KEYS[3], KEYS[1], KEYS[2], ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5])
if now == 'queued' and ARGV[2] == 'unbegun' then count(record_of(ARGV[1]), 'n', -1) end
return now

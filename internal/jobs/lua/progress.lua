-- Notes how far a run is, as long as it is the one that started then.
-- KEYS: record   ARGV: start, cases
local known = redis.pcall('HMGET', KEYS[1], 's', 'st')
if known[1] == 'running' and known[2] == ARGV[1] then redis.call('HSET', KEYS[1], 'cs', ARGV[2]) end
return 1

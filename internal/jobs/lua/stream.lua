-- Writes down what a run has written since the last time, and tells those who watch. What is there already stays: the answer to the last
-- time may have been lost.
-- KEYS: stdout, stderr, cases, channel
-- ARGV: seconds to keep it, how long each of the first two is without this, more of each, how many cases there are, more cases...
for i = 1, 2 do
  local have, before, more = redis.call('STRLEN', KEYS[i]), tonumber(ARGV[1 + i]), ARGV[3 + i]
  if have < before + #more then redis.call('APPEND', KEYS[i], string.sub(more, have - before + 1)) end
end
local have = redis.call('LLEN', KEYS[3])
for i = 7 + math.max(0, have - ARGV[6]), #ARGV do redis.call('RPUSH', KEYS[3], ARGV[i]) end
for i = 1, 3 do redis.call('EXPIRE', KEYS[i], ARGV[1]) end
redis.call('PUBLISH', KEYS[4], '')
return 1

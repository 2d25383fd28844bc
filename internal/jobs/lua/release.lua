-- Gives a running job back.
-- KEYS: pending list, bell   ARGV: id, 1 when it counts as lost, how often it may be lost, error code, error message
return take_back(KEYS[1], KEYS[2], ARGV[1], ARGV[2] == '1', tonumber(ARGV[3]), ARGV[4], ARGV[5])

-- KEYS: clock, the holder's reservations, those that were given back because the holder seemed dead, those that may still
-- be on their way, budgets. ARGV: wall, epoch, id, amount, actual, 1 where nobody knows whether it was ever reserved, ttl of
-- each budget. What neither list has was settled before.
if not advance() then return {'epoch'} end
if ARGV[6] == '1' then
  redis.call('HSET', KEYS[4], ARGV[3], '')
  redis.call('PEXPIRE', KEYS[4], 3600000)
end
local held = redis.call('HDEL', KEYS[2], ARGV[3]) == 1
if not held and redis.call('HDEL', KEYS[3], ARGV[3]) == 0 then return {'before'} end
local spent = {'settled'}
for i = 5, #KEYS do
  if held then redis.call('HINCRBY', KEYS[i], 'held', 0 - tonumber(ARGV[4])) end
  spent[i - 3] = redis.call('HINCRBY', KEYS[i], 'spent', ARGV[5])
  redis.call('PEXPIRE', KEYS[i], ARGV[2 + i])
end
return spent

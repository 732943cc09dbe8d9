-- KEYS: clock, the holder's reservations, those that were given back because the holder seemed dead, budgets.
-- ARGV: wall, epoch, id, amount, actual, ttl of each budget. What neither list has was settled before.
if not advance() then return {'epoch'} end
local held = redis.call('HDEL', KEYS[2], ARGV[3]) == 1
if not held and redis.call('HDEL', KEYS[3], ARGV[3]) == 0 then return {'before'} end
local spent = {'settled'}
for i = 4, #KEYS do
  if held then redis.call('HINCRBY', KEYS[i], 'held', 0 - tonumber(ARGV[4])) end
  spent[i - 2] = redis.call('HINCRBY', KEYS[i], 'spent', ARGV[5])
  redis.call('PEXPIRE', KEYS[i], ARGV[2 + i])
end
return spent

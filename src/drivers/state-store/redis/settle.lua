-- KEYS: clock, the holder's reservations, those that were given back because the holder seemed dead, those that are over,
-- budgets. ARGV: wall, epoch, id, amount, actual, ttl of each budget, then ids that are not to be remembered any more. What is
-- over is remembered until the holder knows it: one that has not heard the answer restores what it had reserved, and asks
-- again; and what was given up unheard may still be on its way. What neither list has was settled before. Nothing is added to
-- what others have yet to restore: of that, the greatest counts.
local at, ready = advance()
if not at then return {'epoch'} end
if not ready then return {'filling'} end
local over = redis.call('HEXISTS', KEYS[4], ARGV[3]) == 1
redis.call('HSET', KEYS[4], ARGV[3], '')
redis.call('PEXPIRE', KEYS[4], 86400000)
local known = #KEYS + 2
if ARGV[known] then redis.call('HDEL', KEYS[4], unpack(ARGV, known)) end
local held = not over and redis.call('HDEL', KEYS[2], ARGV[3]) == 1
local late = not over and redis.call('HDEL', KEYS[3], ARGV[3]) == 1
local spent = {(held or late) and 'settled' or 'before'}
for i = 5, #KEYS do
  if held then redis.call('HINCRBY', KEYS[i], 'held', 0 - tonumber(ARGV[4])) end
  if held or late then
    redis.call('HINCRBY', KEYS[i], 'spent', ARGV[5])
    redis.call('PEXPIRE', KEYS[i], ARGV[1 + i])
  end
  spent[i - 3] = tonumber(redis.call('HGET', KEYS[i], 'spent') or 0)
end
return spent

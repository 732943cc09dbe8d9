-- KEYS: clock, the holder's reservations, budgets. ARGV: wall, the epoch to begin where there is none, milliseconds that
-- all holders have to bring what they know, spent and ttl of each budget, then id and record of each reservation.
-- Gives the epoch that counts.
local now = wall()
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if not epoch then
  epoch = ARGV[2]
  redis.call('HSET', KEYS[1], 'wall', now, 'at', now, 'epoch', epoch, 'ready', now + tonumber(ARGV[3]))
end
for i = 3, #KEYS do
  local known = tonumber(redis.call('HGET', KEYS[i], 'spent') or 0)
  if tonumber(ARGV[2 * i - 2]) > known then redis.call('HSET', KEYS[i], 'spent', ARGV[2 * i - 2]) end
  redis.call('PEXPIRE', KEYS[i], ARGV[2 * i - 1])
end
for i = 2 * #KEYS, #ARGV, 2 do
  if redis.call('HSETNX', KEYS[2], ARGV[i], ARGV[i + 1]) == 1 then
    local record = cjson.decode(ARGV[i + 1])
    for _, key in ipairs(record.keys) do redis.call('HINCRBY', key, 'held', record.amount) end
  end
end
return epoch

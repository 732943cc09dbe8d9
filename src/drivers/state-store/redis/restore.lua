-- KEYS: clock, the holder's reservations, those of them that are over, budgets. ARGV: wall, epoch, spent and ttl of each
-- budget, then id and record of each reservation. What a gateway knows is never more than what was.
if not advance() then return {'epoch'} end
for i = 4, #KEYS do
  local known = tonumber(redis.call('HGET', KEYS[i], 'spent') or 0)
  if tonumber(ARGV[2 * i - 5]) > known then redis.call('HSET', KEYS[i], 'spent', ARGV[2 * i - 5]) end
  redis.call('PEXPIRE', KEYS[i], ARGV[2 * i - 4])
end
for i = 2 * #KEYS - 3, #ARGV, 2 do
  if redis.call('HEXISTS', KEYS[3], ARGV[i]) == 0 and redis.call('HSETNX', KEYS[2], ARGV[i], ARGV[i + 1]) == 1 then
    local record = cjson.decode(ARGV[i + 1])
    for _, key in ipairs(record.keys) do redis.call('HINCRBY', key, 'held', record.amount) end
  end
end
return {'restored'}

-- KEYS: clock, holders by the end of their time. ARGV: wall, epoch, holder, milliseconds that it lives without a tick.
-- What dead holders have reserved is given back; the names of their keys share the clock's hash tag.
local at, ready = advance()
if not at then return {'epoch'} end
redis.call('ZADD', KEYS[2], at + tonumber(ARGV[4]), ARGV[3])
for _, dead in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', at, 'LIMIT', 0, 4)) do
  local holds = '{innerkeep}held:' .. dead
  local all = redis.call('HGETALL', holds)
  for i = 1, #all, 2 do
    local record = cjson.decode(all[i + 1])
    for _, key in ipairs(record.keys) do redis.call('HINCRBY', key, 'held', 0 - record.amount) end
    redis.call('HSET', '{innerkeep}late:' .. dead, all[i], '')
  end
  redis.call('PEXPIRE', '{innerkeep}late:' .. dead, 86400000)
  redis.call('DEL', holds)
  redis.call('ZREM', KEYS[2], dead)
end
return {'ticked', ready and 1 or 0}

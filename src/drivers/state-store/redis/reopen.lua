-- KEYS: clock, breakers. ARGV: wall, epoch, forgotten of BREAKER, then the milliseconds for which each is open, and its evidence.
-- What a gateway knows to be open is so, however much the store has lost.
local at = advance()
if not at then return {'epoch'} end
for i = 2, #KEYS do
  local key, left = KEYS[i], tonumber(ARGV[2 * i])
  if tonumber(redis.call('HGET', key, 'until') or 0) < at + left then
    redis.call('HSET', key, 'until', at + left, 'evidence', ARGV[2 * i + 1])
    redis.call('PEXPIRE', key, ARGV[3])
  end
end
return {'reopened'}

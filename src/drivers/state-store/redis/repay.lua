-- KEYS: clock, a mark, buckets. ARGV: wall, epoch, then interval, burst and number of tokens of each: they were taken while
-- the store was away. Once for each mark, however often it is asked.
local at = advance()
if not at then return {'epoch'} end
if not redis.call('SET', KEYS[2], '', 'NX', 'PX', 86400000) then return {'repaid'} end
for i = 3, #KEYS do
  local interval, burst, taken = tonumber(ARGV[3 * i - 6]), tonumber(ARGV[3 * i - 5]), tonumber(ARGV[3 * i - 4])
  local full = math.max(tonumber(redis.call('HGET', KEYS[i], 'full') or 0), at) + taken * interval
  redis.call('HSET', KEYS[i], 'full', full)
  redis.call('PEXPIRE', KEYS[i], math.ceil(math.max(full - at, interval * burst)) + 7200000)
end
return {'repaid'}

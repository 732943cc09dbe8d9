-- KEYS: clock, names. ARGV: wall, epoch, 1 where it is asked or 0 where a gateway restores what it knows, then for each name the
-- milliseconds that it stays named. Gives for each whether it was new. The server forgets by a clock that can be set: later
-- than it need, by more than that is ever done.
local KEEP = 3600000
local at, ready = advance()
if not at then return {'epoch'} end
if not ready and ARGV[3] == '1' then return {'filling'} end
local fresh = {'named'}
for i = 2, #KEYS do
  local ttl = tonumber(ARGV[i + 2])
  local named = tonumber(redis.call('GET', KEYS[i]) or 0) > at
  if not named then redis.call('SET', KEYS[i], at + ttl, 'PX', ttl + KEEP) end
  fresh[i] = named and 0 or 1
end
return fresh

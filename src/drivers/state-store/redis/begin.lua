-- KEYS: clock. ARGV: wall, the epoch to begin where there is none, milliseconds that all gateways have to bring what they
-- know. Gives the epoch that counts.
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if not epoch then
  epoch = ARGV[2]
  local now = wall()
  redis.call('HSET', KEYS[1], 'wall', now, 'at', now, 'epoch', epoch, 'ready', now + tonumber(ARGV[3]))
end
return {epoch}

-- Every script begins with this. KEYS[1] is the clock, ARGV[1] the wall clock (empty: the server's own), ARGV[2] the epoch
-- that the caller knows. The scripts' time, in milliseconds, is the sum of the wall clock's small steps forward: what it is
-- set by, in either direction, is no time that has passed. Gateways tick more often than STEP.
local STEP = 2000

local function wall()
  local given = tonumber(ARGV[1])
  if given then return given end
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Moves the clock. Nil: this store does not know what the caller knows; it was emptied, or never filled.
local function advance()
  local known = redis.call('HMGET', KEYS[1], 'wall', 'at', 'epoch', 'ready')
  if known[3] ~= ARGV[2] then return nil end
  local now = wall()
  local step = now - tonumber(known[1])
  if step < 0 or step > STEP then step = 0 end
  local at = tonumber(known[2]) + step
  redis.call('HSET', KEYS[1], 'wall', now, 'at', at)
  return at, at >= tonumber(known[4])
end

-- KEYS: clock, breakers. ARGV: wall, epoch, id of the call, what came of it (slow and fault as 0 or 1; empty: nobody
-- knows), then slot, calls, troubles, others, slowShare, faultShare, open, forgotten and parties of BREAKER, then the party
-- of each breaker (empty: it is one caller's own). Gives what has turned: which breaker, open or closed, and its evidence.
local at = advance()
if not at then return {'epoch'} end
local id, slow, fault = ARGV[3], tonumber(ARGV[4]:sub(1, 1)), tonumber(ARGV[4]:sub(2))
local width, least, troubles, others = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local shares = { slow = tonumber(ARGV[9]), faults = tonumber(ARGV[10]) }
local open, forgotten, parties = tonumber(ARGV[11]), tonumber(ARGV[12]), tonumber(ARGV[13])
-- The server forgets by its own clock: longer than that is ever set by.
local KEEP = 7200000
local slot = math.floor(at / width)
local turned = {'observed'}

local function countsOf(text)
  local calls, slows, faults = (text or '0 0 0'):match('(%d+) (%d+) (%d+)')
  return { calls = tonumber(calls), slow = tonumber(slows), faults = tonumber(faults) }
end

local function tally(key)
  local all, by = { calls = 0, slow = 0, faults = 0 }, {}
  for back = 0, 1 do
    local known = redis.call('HGETALL', key .. ':' .. slot - back)
    for i = 1, #known, 2 do
      local more, one = countsOf(known[i + 1]), by[known[i]] or { calls = 0, slow = 0, faults = 0 }
      for kind, count in pairs(more) do
        one[kind] = one[kind] + count
        all[kind] = all[kind] + count
      end
      by[known[i]] = one
    end
  end
  return all, by
end

-- Of all calls, and of all but those of who has most of the trouble.
local function exceeded(all, by, kind, own)
  local share = shares[kind]
  if all.calls < least or all[kind] < troubles or all[kind] * share <= all.calls then return false end
  if own then return true end
  local worst
  for _, one in pairs(by) do
    if not worst or one[kind] > worst[kind] or (one[kind] == worst[kind] and one.calls < worst.calls) then worst = one end
  end
  local calls = all.calls - worst.calls
  return calls >= others and (all[kind] - worst[kind]) * share > calls
end

local function count(i, key, party)
  local current, own = key .. ':' .. slot, party == ''
  local trouble = slow + fault > 0
  if own and not trouble and redis.call('EXISTS', current, key .. ':' .. slot - 1) == 0 then return end
  local known = redis.call('HGET', current, party)
  if not known and redis.call('HLEN', current) >= parties then
    party = ' others'
    known = redis.call('HGET', current, party)
  end
  local one = countsOf(known)
  redis.call('HSET', current, party,
    string.format('%d %d %d', one.calls + 1, one.slow + slow, one.faults + fault))
  redis.call('PEXPIRE', current, 2 * width + KEEP)
  if not trouble then return end
  local all, by = tally(key)
  if not exceeded(all, by, 'slow', own) and not exceeded(all, by, 'faults', own) then return end
  local evidence = string.format('%d %d %d', all.calls, all.slow, all.faults)
  redis.call('HSET', key, 'until', at + open, 'evidence', evidence)
  redis.call('PEXPIRE', key, forgotten)
  turned[#turned + 1] = i .. ' open ' .. evidence
end

for i = 2, #KEYS do
  local key = KEYS[i]
  local known = redis.call('HMGET', key, 'until', 'probe', 'evidence')
  if not known[1] then
    if slow then count(i - 1, key, ARGV[12 + i]) end
  elseif known[2] == id then
    redis.call('HDEL', key, 'probe', 'lease')
    if slow and slow + fault > 0 then
      redis.call('HSET', key, 'until', at + open)
      redis.call('PEXPIRE', key, forgotten)
    elseif slow then
      redis.call('DEL', key, key .. ':' .. slot, key .. ':' .. slot - 1)
      turned[#turned + 1] = (i - 1) .. ' closed ' .. known[3]
    end
  end
end
return turned

-- KEYS: clock, the holder's reservations, those that are over, buckets (own, shared,
-- further), breakers, budgets.
-- ARGV: wall, epoch, number of buckets, 1 where the second is shared, FAIR_SLOT, number of breakers, the id of a probe and
-- the milliseconds that it is waited for, then interval and burst of each bucket;
-- then, where something is reserved, its id, its record, the amount, and limit and ttl of each budget.
local at, ready = advance()
if not at then return {'epoch'} end
if not ready then return {'filling'} end
-- Longer than a clock is ever set by: the server forgets by that one.
local KEEP = 7200000
local buckets, fair, width, breakers = tonumber(ARGV[3]), ARGV[4] == '1', tonumber(ARGV[5]), tonumber(ARGV[6])
local slot = math.floor(at / width)
local state, longest, which = {}, 0, 1

for i = 1, buckets do
  local interval, burst = tonumber(ARGV[7 + 2 * i]), tonumber(ARGV[8 + 2 * i])
  local known = redis.call('HMGET', KEYS[3 + i], 'full', 'slot', 'count', 'before')
  local s, count, before = tonumber(known[2]), tonumber(known[3] or 0), tonumber(known[4] or 0)
  local one = { full = tonumber(known[1] or 0), interval = interval, burst = burst, count = 0, before = 0 }
  if s == slot then one.count, one.before = count, before elseif s == slot - 1 then one.before = count end
  local wait = one.full - at - (burst - 1) * interval
  if wait > longest then longest, which = wait, i end
  state[i] = one
end
if longest == 0 and fair then
  local own, shared = state[1], state[2]
  if math.max(0, shared.full - at) / shared.interval * 2 > shared.burst then
    local callers = math.max(shared.count + (own.count == 0 and 1 or 0), shared.before)
    local part = math.max(1, math.floor(width / shared.interval / callers))
    local wait = math.min(own.count / part, 1) * width - (at - slot * width)
    if wait > 0 and own.count > 0 then longest, which = wait, 2 end
  end
end
if longest > 0 then return {'rate', which, string.format('%.17g', longest)} end

local tried = {}
for i = 1, breakers do
  local key = KEYS[3 + buckets + i]
  local known = redis.call('HMGET', key, 'until', 'lease', 'evidence')
  if known[1] then
    local wait = math.max(tonumber(known[1]), tonumber(known[2] or 0)) - at
    if wait > 0 then return {'open', i, string.format('%.17g', wait), known[3]} end
    tried[#tried + 1] = key
  end
end
local function taken()
  for _, key in ipairs(tried) do redis.call('HSET', key, 'probe', ARGV[7], 'lease', at + tonumber(ARGV[8])) end
  return {'taken', #tried}
end

if fair then
  state[1].count = state[1].count + 1
  if state[1].count == 1 then state[2].count = state[2].count + 1 end
end
for i, one in ipairs(state) do
  local full = math.max(one.full, at) + one.interval
  if fair and i <= 2 then
    redis.call('HSET', KEYS[3 + i], 'full', full, 'slot', slot, 'count', one.count, 'before', one.before)
  else
    redis.call('HSET', KEYS[3 + i], 'full', full)
  end
  redis.call('PEXPIRE', KEYS[3 + i], math.ceil(one.interval * one.burst) + 2 * width + KEEP)
end

local next, before = 9 + 2 * buckets, 3 + buckets + breakers
if not ARGV[next] then return taken() end
local id, record, amount = ARGV[next], ARGV[next + 1], tonumber(ARGV[next + 2])
if redis.call('HEXISTS', KEYS[3], id) == 1 then return {'given up'} end
for i = 1, #KEYS - before do
  local key, limit = KEYS[before + i], tonumber(ARGV[next + 1 + 2 * i])
  local known = redis.call('HMGET', key, 'spent', 'held')
  local spent, held = tonumber(known[1] or 0), tonumber(known[2] or 0)
  if spent + held + amount > limit then return {'budget', i, spent, held} end
end
for i = 1, #KEYS - before do
  local key = KEYS[before + i]
  redis.call('HINCRBY', key, 'held', ARGV[next + 2])
  redis.call('PEXPIRE', key, ARGV[next + 2 + 2 * i])
end
redis.call('HSET', KEYS[2], id, record)
return taken()

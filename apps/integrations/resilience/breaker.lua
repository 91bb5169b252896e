-- The rules of breaker.py, kept in one hash and run by Redis in one step. KEYS[1]: the circuit.
-- ARGV: deed, now in ms (-1: Redis's own clock), is critical (of a release: the leave was early), permit's
-- generation, permit is a probe, is good, then the numbers of breaker.Settings. Answers differ by deed: see redis_store.py.
local key, deed, now = KEYS[1], ARGV[1], tonumber(ARGV[2])
if now < 0 then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local critical, generation, probe, good = ARGV[3] == '1', tonumber(ARGV[4]), ARGV[5] == '1', ARGV[6] == '1'
local bucket_ms, buckets, least, share, in_row, open_ms, longest, lease, good_probes, early_every =
  tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11]),
  tonumber(ARGV[12]), tonumber(ARGV[13]), tonumber(ARGV[14]), tonumber(ARGV[15]), tonumber(ARGV[16])

local c = {}
local flat = redis.call('HGETALL', key)
for i = 1, #flat, 2 do c[flat[i]] = flat[i + 1] end
local function number(name) return tonumber(c[name] or '0') end
local state = c.state or 'closed'

local function save(fields)
  local arguments = {}
  for name, value in pairs(fields) do
    arguments[#arguments + 1] = name
    arguments[#arguments + 1] = tostring(value)
  end
  redis.call('HSET', key, unpack(arguments))
  redis.call('PEXPIRE', key, 86400000)
end

local function forget_buckets(from)
  for name in pairs(c) do
    local n = tonumber(string.match(name, '^[gb](%d+)$') or '-1')
    if n >= 0 and n <= from then redis.call('HDEL', key, name); c[name] = nil end
  end
end

local function open(length)
  forget_buckets(math.huge)
  save({state = 'open', opened_at = now, open_ms = length, generation = number('generation') + 1,
        in_row = 0, good = 0, probe_until = 0})
  state = 'open'
end

if deed == 'look' then
  return {state, number('opened_at'), number('open_ms'), number('probe_until'), number('in_row')}
end

if deed == 'acquire' then
  if state == 'closed' then return {1, number('generation'), 0, 0} end
  local ripe_at = number('opened_at') + number('open_ms')
  local ripe = state == 'half_open' or now >= ripe_at
  local early = not ripe and critical and now >= number('last_early') + early_every
  if number('probe_until') > now or not (ripe or early) then
    if state ~= 'open' then ripe_at = now end
    return {0, math.max(ripe_at, number('probe_until')) - now, number('opened_at'), 0}
  end
  local changed = {state = 'half_open', generation = number('generation') + 1, probe_until = now + lease}
  if state == 'open' then changed.good = 0 end
  if early then changed.last_early = now end
  save(changed)
  return {1, number('generation') + 1, 1, early and 1 or 0}
end

if generation ~= number('generation') then return state end

if deed == 'release' then
  local changed = {probe_until = 0}
  if number('good') == 0 then changed.state = 'open' end
  if critical then changed.last_early = 0 end
  if probe then save(changed) end
  return state
end

-- record
if probe and state == 'half_open' then
  if not good then
    open(math.min(number('open_ms') * 2, longest))
  elseif number('good') + 1 >= good_probes then
    forget_buckets(math.huge)
    save({state = 'closed', generation = number('generation') + 1, opened_at = 0, open_ms = 0, in_row = 0, good = 0,
          probe_until = 0})
    state = 'closed'
  else
    save({good = number('good') + 1, probe_until = 0})
  end
elseif not probe and state == 'closed' then
  local current = math.floor(now / bucket_ms)
  forget_buckets(current - buckets)
  local mine = (good and 'g' or 'b') .. string.format('%d', current)
  c[mine] = tostring(number(mine) + 1)
  local row = good and 0 or number('in_row') + 1
  local bad, total = 0, 0
  for name, value in pairs(c) do
    local side = string.match(name, '^([gb])%d+$')
    if side then
      total = total + tonumber(value)
      if side == 'b' then bad = bad + tonumber(value) end
    end
  end
  if not good and ((total >= least and bad >= total * share) or row >= in_row) then
    open(open_ms)
  else
    save({[mine] = c[mine], in_row = row})
  end
end
return state

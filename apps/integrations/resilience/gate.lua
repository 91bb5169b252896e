-- The two steps of gate.py, of the deeds of shared.lua (counters) and breaker.lua (breaker), which stand before
-- this as functions. ARGV[1]: deed, ARGV[2]: now in ms (-1: Redis's own clock). ARGV[3..12]: breaker.Settings.
local function clock()
  local now = tonumber(ARGV[2])
  if now >= 0 then return now end
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function asked(deed, critical, generation, probe, good)
  local all = {deed, ARGV[2], critical, generation, probe, good}
  for i = 3, 12 do all[#all + 1] = ARGV[i] end
  return all
end

if ARGV[1] == 'begin' then
  -- KEYS: the bulkhead, the circuit, the pauses, then each limit and its serial.
  -- ARGV from 13: token, size, lease ms, is critical, number of pauses, then cost, limit, window, reserve of each limit.
  -- Answers {why, ms, 0, 0} or {'', generation, is probe, is early}.
  local token, pauses = ARGV[13], tonumber(ARGV[17])
  local until_ms = tonumber(redis.call('ZSCORE', KEYS[1], token) or '0')
  if until_ms <= clock()
      and counters({KEYS[1]}, {'enter', ARGV[2], token, ARGV[14], ARGV[15]}) == 0 then
    return {'full', 0, 0, 0}
  end
  for i = 1, pauses do
    local left = counters({KEYS[2 + i]}, {'paused', ARGV[2]})
    if left > 0 then return {'paused', left, 0, 0} end
  end
  local leave = breaker({KEYS[2]}, asked('acquire', ARGV[16], '0', '0', '0'))
  if leave[1] == 0 then return {'open', leave[2], 0, 0} end
  for i = 0, (#ARGV - 17) / 4 - 1 do
    local key, at = 3 + pauses + 2 * i, 18 + 4 * i
    local wait = counters({KEYS[key], KEYS[key + 1]},
      {'take', ARGV[2], ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]})
    if wait > 0 then
      breaker({KEYS[2]}, asked('release', tostring(leave[4]), tostring(leave[2]), tostring(leave[3]), '0'))
      return {'used up', wait, 0, 0}
    end
  end
  return {'', leave[2], leave[3], leave[4]}
end

-- end. KEYS: the bulkhead, the circuit, the budget. ARGV from 13: token, generation, is probe, is good, gain, capacity.
breaker({KEYS[2]}, asked('record', '0', ARGV[14], ARGV[15], ARGV[16]))
counters({KEYS[3]}, {'earn', ARGV[2], ARGV[17], ARGV[18]})
counters({KEYS[1]}, {'leave', ARGV[2], ARGV[13]})
return 1

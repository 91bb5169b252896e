-- The small counters that all processes share. ARGV[1]: deed, ARGV[2]: now in ms (-1: Redis's own clock).
local deed, now = ARGV[1], tonumber(ARGV[2])
if now < 0 then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

if deed == 'enter' then       -- a bulkhead of leases: KEYS[1], ARGV: token, size, lease ms. Answers 1 when let in.
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
  if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[4]) then return 0 end
  redis.call('ZADD', KEYS[1], now + tonumber(ARGV[5]), ARGV[3])
  redis.call('PEXPIRE', KEYS[1], tonumber(ARGV[5]) + 1000)
  return 1
elseif deed == 'leave' then   -- KEYS[1], ARGV: token
  return redis.call('ZREM', KEYS[1], ARGV[3])
elseif deed == 'spend' then   -- a retry budget: KEYS[1], ARGV: cost, capacity. Answers 1 when there was enough.
  local left = tonumber(redis.call('GET', KEYS[1]) or ARGV[4])
  if left < tonumber(ARGV[3]) then return 0 end
  redis.call('SET', KEYS[1], tostring(left - tonumber(ARGV[3])), 'PX', 3600000)
  return 1
elseif deed == 'earn' then    -- KEYS[1], ARGV: gain, capacity
  local left = redis.call('GET', KEYS[1])
  if left then
    local sum = tonumber(left) + tonumber(ARGV[3])
    if sum >= tonumber(ARGV[4]) then redis.call('DEL', KEYS[1])
    else redis.call('SET', KEYS[1], tostring(sum), 'PX', 3600000) end
  end
  return 1
elseif deed == 'take' then    -- tokens of a limit: KEYS[1], ARGV: cost, limit, window ms, reserve. Answers ms to wait, 0 when taken.
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[5]))
  local room = tonumber(ARGV[4]) - tonumber(ARGV[6]) - redis.call('ZCARD', KEYS[1])
  local cost = tonumber(ARGV[3])
  if room >= cost then
    local serial = redis.call('INCR', KEYS[2])
    for i = 1, cost do redis.call('ZADD', KEYS[1], now, serial .. ':' .. i) end
    redis.call('PEXPIRE', KEYS[1], tonumber(ARGV[5]) + 1000)
    redis.call('PEXPIRE', KEYS[2], tonumber(ARGV[5]) + 1000)
    return 0
  end
  local oldest = redis.call('ZRANGE', KEYS[1], math.max(0, cost - room - 1), math.max(0, cost - room - 1), 'WITHSCORES')
  if #oldest == 0 then return tonumber(ARGV[5]) end
  return math.max(1, tonumber(oldest[2]) + tonumber(ARGV[5]) - now)
elseif deed == 'pause' then   -- KEYS[1], ARGV: ms. The longer pause stands.
  local till = now + tonumber(ARGV[3])
  if till > tonumber(redis.call('GET', KEYS[1]) or '0') then
    redis.call('SET', KEYS[1], till, 'PX', tonumber(ARGV[3]) + 60000)
  end
  return 1
elseif deed == 'paused' then  -- KEYS[1]. Answers the ms that are left.
  local till = tonumber(redis.call('GET', KEYS[1]) or '0')
  return math.max(0, till - now)
end
return redis.error_reply('unknown deed ' .. deed)

-- The generic cell rate algorithm: one number, the instant at which all that was taken is paid for.
-- KEYS: that instant. ARGV: microseconds that one costs, microseconds that may be owed.
-- Returns 0 and takes one, or the microseconds until there is one.
local time = redis.call('time')
local now = time[1] * 1000000 + time[2]
local paid = math.max(tonumber(redis.call('get', KEYS[1]) or now), now)
local wait = paid - now - tonumber(ARGV[2])
if wait > 0 then
    return wait
end
paid = paid + tonumber(ARGV[1])
redis.call('set', KEYS[1], string.format('%.0f', paid), 'px', math.ceil((paid - now) / 1000))
return 0

-- Replaces a provider's state if it is still what the caller saw; no state at all means that it is well.
-- KEYS: the state. ARGV: what it should be, what it becomes, for how many milliseconds.
-- Returns whether it was replaced, what it is now, and what time it is for all who share it.
local found = redis.call('get', KEYS[1]) or ''
local swapped = 0
if found == ARGV[1] then
    if ARGV[2] == '' then
        redis.call('del', KEYS[1])
    else
        redis.call('set', KEYS[1], ARGV[2], 'px', ARGV[3])
    end
    found = ARGV[2]
    swapped = 1
end
local time = redis.call('time')
return {swapped, found, time[1] * 1000 + math.floor(time[2] / 1000)}

-- What each replica sees of a provider: a hash of "<view> <until>" by replica, in which each says its own and hears the others.
-- KEYS: the hash. ARGV: the replica, its view, for how many milliseconds that stands.
-- Returns the views of all others that still stand.
local time = redis.call('time')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('hset', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. string.format('%.0f', now + ARGV[3]))
redis.call('pexpire', KEYS[1], ARGV[3])
local others = {}
local all = redis.call('hgetall', KEYS[1])
for at = 1, #all, 2 do
    if all[at] ~= ARGV[1] then
        local view, stands = string.match(all[at + 1], '^(%S+) (%d+)$')
        if view and tonumber(stands) > now then
            others[#others + 1] = view
        else
            redis.call('hdel', KEYS[1], all[at])
        end
    end
end
return others

"""What the server does in one step, in its own language; https://redis.io/docs/latest/develop/programmability/eval-intro/.

`redis` says what for. Redis runs a script alone, and writes all or nothing of what it did to its append-only file.
"""

APPEND = """
local known = tonumber(ARGV[1])
local top = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local last = top and tonumber(string.match(top[1], '^%d+')) or 0
if last < known then return {'short', last} end
if known > 0 then
  local mine = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1]
  if not mine then return {'trimmed', last} end
  for i = 1, #mine[2], 2 do
    if mine[2][i] == 's' and mine[2][i + 1] ~= ARGV[2] then return {'other', last} end
  end
end
if ARGV[4] == '1' then redis.call('SET', KEYS[2], ARGV[1]) end
local unseen = redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+', 'COUNT', ARGV[3])
if #unseen == tonumber(ARGV[3]) then return {'more', last, unseen} end
for i = 5, #ARGV, 2 do
  last = last + 1
  redis.call('XADD', KEYS[1], last .. '-0', 'e', ARGV[i], 's', ARGV[i + 1])
end
return {'kept', last, unseen}
"""

SWAP = """
if redis.call('LLEN', KEYS[3]) ~= tonumber(ARGV[3]) then return 0 end
local there = redis.call('LINDEX', KEYS[2], 0)
if there and tonumber(there) >= tonumber(ARGV[1]) then
  redis.call('DEL', KEYS[3])
  return 1
end
redis.call('RENAME', KEYS[3], KEYS[2])
redis.call('PERSIST', KEYS[2])
local keep = math.min(tonumber(there or '0'), tonumber(ARGV[1]) - tonumber(ARGV[2]))
if keep > 1 then redis.call('XTRIM', KEYS[1], 'MINID', '~', keep .. '-0') end
return 1
"""

CLAIM = """
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
"""

RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
"""

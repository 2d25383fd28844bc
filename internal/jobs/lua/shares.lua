-- Fair shares of slot time. A client is a share; its name here is a hash of the client's. Start-time fair queueing: whoever has used the
-- least slot time is served first, and who comes back from a pause begins at the clock, so that nobody saves time up.
--   safepy:shares                        the book, a hash:
--       slots, busy                      slots of all live workers, and how many have a job
--       clock                            virtual time: what the share had used whose job began last
--       bytes                            length of the requests of all jobs that are not final
--       outcomes                         length of what is kept of those that are
--       last, last_at, last_used         the share whose job ended last, when, and what it had used by then
--       other, other_at, other_used      likewise, the latest that is not the same
--       kept                             the share for which a slot was kept free
--       audited                          when the book was last made anew
--       used:<share>                     slot time that was used, in microseconds
--       running:<share> waiting:<share>  jobs
--       length:<share>                   how long its jobs take
--       turn:<share>                     jobs taken, for the schedule of priorities
--   safepy:turns                         a sorted set of the shares with waiting jobs, by what they have used
--   safepy:waiting:<share>:<priority>    ids in the order of coming; the truth is asynq's pending list, this is its index
--   safepy:outcomes                      a hash of the bytes of outcomes by when they go, in unix seconds
-- On a cluster each lane has these for itself, under its hash tag.

local function microseconds()
  local t = redis.call('TIME')
  return t[1] .. string.format('%06d', tonumber(t[2]))
end

-- For how long a slot is kept at most for a share that has just had a job end: longest_kept where another would have all slots,
-- briefly_kept where it is the last free one.
local longest_kept = 2000000
local briefly_kept = 250000
-- How often the book is made anew from the queues, which puts right what processes of another version or asynq's tools have changed.
local audit_every = 30000000

-- What a run is charged at most, whatever a damaged record says of when it began.
local longest_run = 3600000000

-- Of Go's are priorities, the names in the order of their rank, and schedule: which rank of a share is asked first, job after job. What is
-- not there falls to the next in rank.

local function turns_of(book) return string.sub(book, 1, -7) .. 'turns' end
local function list_of(book, share, priority) return string.sub(book, 1, -7) .. 'waiting:' .. share .. ':' .. priority end
local function priority_of(pending) return string.match(pending, '%-(%a+)}:pending$') end

-- What is needed of the book to decide about one share. Changes are noted, and written by settle in one command.
local function account(book, share)
  local f = redis.call('HMGET', book, 'slots', 'busy', 'clock', 'bytes', 'last_at', 'last_used', 'other_at', 'other_used', 'used:' .. share,
    'running:' .. share, 'waiting:' .. share, 'length:' .. share, 'turn:' .. share, 'outcomes', 'last', 'other', 'kept')
  for i = 1, 14 do f[i] = tonumber(f[i] or 0) end
  return {
    book = book, share = share, slots = f[1], busy = f[2], clock = f[3], bytes = f[4], last_at = f[5], last_used = f[6], other_at = f[7],
    other_used = f[8], used = f[9], running = f[10], waiting = f[11], length = f[12], turn = f[13], outcomes = f[14],
    last = f[15], other = f[16], kept = f[17] or '', changes = {},
  }
end

local function note(a, field, value)
  a.changes[#a.changes + 1] = field
  a.changes[#a.changes + 1] = type(value) == 'number' and string.format('%.0f', value) or value
end

-- The length of a request, 0 where a damaged record has lost it.
local function length_of(field)
  local n = tonumber(field)
  return n and n >= 0 and n < 1e12 and math.floor(n) or 0
end

local function note_bytes(a, more)
  a.bytes = math.max(0, a.bytes + more)
  note(a, 'bytes', a.bytes)
end

local function outcomes_of(book) return string.sub(book, 1, -7) .. 'outcomes' end

-- Counts an outcome that is kept for so many seconds from now. What a record takes besides is counted with it.
local record_overhead = 1024
local function note_outcome(a, length, seconds, now)
  local step = math.max(10, math.floor(seconds / 100))
  local goes = (math.floor((now / 1000000 + seconds) / step) + 1) * step
  redis.call('HINCRBY', outcomes_of(a.book), string.format('%.0f', goes), length + record_overhead)
  a.outcomes = a.outcomes + length + record_overhead
  note(a, 'outcomes', a.outcomes)
end

local function note_used(a, used)
  a.used = used
  note(a, 'used:' .. a.share, used)
end

local function settle(a)
  if #a.changes > 0 then redis.call('HSET', a.book, unpack(a.changes)) end
  a.changes = {}
end

-- How much longer this share must leave a free slot to another, which has had a job end a moment ago and whose next one is
-- probably on its way; 0 when the slot is its own.
--   Where it would have all slots: four times its jobs' usual length, since that is how long the other would wait otherwise.
--   Where it would take the last one, and has used more than the other: as long as its job would take, or a tenth of that.
local function kept_from(a, now)
  local share, at, used = a.last, a.last_at, a.last_used
  if share == a.share then share, at, used = a.other, a.other_at, a.other_used end
  if not share or share == '' then return 0 end
  local usual = a.length > 0 and a.length or longest_kept
  local gone, most = now - at, 0
  if a.slots > 1 and a.running + 1 >= a.slots then
    most = math.min(4 * usual, longest_kept)
  elseif a.busy + 1 >= a.slots and used + gone < a.used then
    -- A tenth of a long job: whoever is owed time may be held up for a moment, and would wait for all of it.
    most = math.max(math.min(usual, briefly_kept), math.min(usual / 10, 4 * briefly_kept))
  end
  if most <= gone then return 0 end
  note(a, 'kept', share)
  return most - gone
end

local function begin_run(a, now)
  if a.kept ~= '' then
    -- A slot that stood idle for somebody was used by him.
    local since = a.last == a.share and a.last_at or a.other == a.share and a.other_at or now
    if a.kept == a.share then note_used(a, a.used + math.max(0, math.min(now - since, longest_kept))) end
    note(a, 'kept', '')
  end
  a.running, a.busy, a.clock = a.running + 1, a.busy + 1, math.max(a.clock, a.used)
  note(a, 'running:' .. a.share, a.running)
  note(a, 'busy', a.busy)
  note(a, 'clock', a.clock)
end

-- spent is the slot time of a run that has ended, nil where a job had a slot and was not begun.
local function end_run(a, now, spent)
  note(a, 'running:' .. a.share, math.max(0, a.running - 1))
  note(a, 'busy', math.max(0, a.busy - 1))
  if not spent then return end
  spent = math.max(0, math.min(spent, longest_run))
  note_used(a, a.used + spent)
  note(a, 'length:' .. a.share, math.max(spent, a.length / 2))
  if a.waiting > 0 then redis.call('ZADD', turns_of(a.book), 'XX', string.format('%.0f', a.used), a.share) end
  if a.last and a.last ~= a.share then
    note(a, 'other', a.last)
    note(a, 'other_at', a.last_at)
    note(a, 'other_used', a.last_used)
  end
  note(a, 'last', a.share)
  note(a, 'last_at', now)
  note(a, 'last_used', a.used)
end

-- A share that has had nothing waiting begins at the clock.
local function arrive(a)
  if a.waiting == 0 and a.used < a.clock then note_used(a, a.clock) end
end

local function enqueue(a, id, pending, at_head)
  if a.waiting == 0 then redis.call('ZADD', turns_of(a.book), string.format('%.0f', a.used), a.share) end
  a.waiting = a.waiting + 1
  note(a, 'waiting:' .. a.share, a.waiting)
  redis.call(at_head and 'RPUSH' or 'LPUSH', list_of(a.book, a.share, priority_of(pending)), id)
end

-- One job less waits, which is out of its list already.
local function dequeued(a)
  a.waiting = math.max(0, a.waiting - 1)
  note(a, 'waiting:' .. a.share, a.waiting)
  if a.waiting == 0 then redis.call('ZREM', turns_of(a.book), a.share) end
end

-- Takes a job out of the middle: one that was canceled, or has ended while it was queued again.
local function forget_waiting(a, id, pending)
  if redis.call('LREM', list_of(a.book, a.share, priority_of(pending)), 1, id) > 0 then dequeued(a) end
end

-- The id of the share's next job by the schedule; nil when it has none after all.
local function next_of(a)
  local first = schedule[a.turn % #schedule + 1]
  for rank = 0, #priorities do
    local id = (rank == 0 or rank ~= first) and redis.call('RPOP', list_of(a.book, a.share, priorities[rank == 0 and first or rank]))
    if id then
      a.turn = (a.turn + 1) % #schedule
      note(a, 'turn:' .. a.share, a.turn)
      dequeued(a)
      return id
    end
  end
  -- What the book says is wrong.
  a.waiting = 0
  dequeued(a)
end

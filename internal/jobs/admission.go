package jobs

import (
	"context"
	"encoding/hex"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// fullAge is the greatest age of the cached queue lengths on which a submission may be refused: a service that refuses thousands
	// a second must not ask Redis as often.
	fullAge = 10 * time.Millisecond
	// backlogAge is the age at which the queue lengths are read again, beside the submissions. In between an API process counts its
	// own submissions, so that alone it never exceeds the limit.
	backlogAge = 50 * time.Millisecond
	// unknownAge is the greatest age of the queue lengths on which a job may be accepted: other processes may have filled the queue.
	unknownAge = time.Second
	// memoryAge is the greatest age of what is known of Redis' memory. Until it is read again a second's worth of requests may come.
	memoryAge = time.Second
	// drainMemory is the time over which the drain rate is averaged.
	drainMemory = 15 * time.Second
	// lightLoad is how many unfinished jobs make a client one that stays in its lane whoever else is in it, and how many
	// waiting ones make a lane one that others leave.
	lightLoad = 3
)

// backlog is what one process knows of the jobs that wait: how many, where, and how fast they go.
type backlog struct {
	rdb    redis.UniversalClient
	layout layout
	limit  int

	reading sync.Mutex // held by the one who asks Redis

	mu        sync.Mutex
	lengths   [][]int // per lane and priority
	added     [][]int // likewise, by this process since the last reading began
	waiting   int     // at the last reading, and what this process has added since it began
	doubtful  int     // of those waiting, added while Redis was asked: counted twice, perhaps
	reserved  [][]int // places taken beside those, by submissions on their way; per lane, or a burst would all go to the same one
	readAt    time.Time
	processed int64
	rate      float64 // jobs per second
	rated     time.Time

	redis      memory
	remembered time.Time // when that was read

	kick   chan struct{}
	cancel context.CancelFunc
	done   chan struct{}
}

func newBacklog(rdb redis.UniversalClient, y layout, limit int) *backlog {
	ctx, cancel := context.WithCancel(context.Background())
	b := &backlog{rdb: rdb, layout: y, limit: limit, kick: make(chan struct{}, 1), cancel: cancel, done: make(chan struct{})}
	b.lengths, b.added, b.reserved = perQueue(y), perQueue(y), perQueue(y)
	go b.run(ctx)
	return b
}

// perQueue has a number for each lane and priority.
func perQueue(y layout) [][]int {
	n := make([][]int, y.lanes)
	for l := range n {
		n[l] = make([]int, len(priorities))
	}
	return n
}

func total(n [][]int) (sum int) {
	for _, lane := range n {
		for _, one := range lane {
			sum += one
		}
	}
	return sum
}

func (b *backlog) close() {
	b.cancel()
	<-b.done
}

// run reads the lengths again, beside the submissions, when one of those found them old.
func (b *backlog) run(ctx context.Context) {
	defer close(b.done)
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.kick:
		}
		within, cancel := context.WithTimeout(ctx, answerWithin)
		// A Redis that is away is the submissions' to report.
		b.reading.Lock()
		_ = b.refresh(within)
		b.reading.Unlock()
		cancel()
	}
}

// reservation is one of the places in the queue, and the lane that was the best for it. It must be released once the job is sent or
// given up.
type reservation struct {
	lane lane
	// crowded are the lanes in which more than lightLoad jobs wait, as two hexadecimal digits each.
	crowded string
	release func()
	waiting int    // jobs, as far as is known
	memory  memory // Redis', likewise
}

// reserve takes a place for a job of this priority, or says that the queue is full.
func (b *backlog) reserve(ctx context.Context, p Priority) (*reservation, error) {
	rank := p.rank()
	if r, _ := b.place(rank); r != nil {
		return r, nil
	}
	// Perhaps only what we know is full. Whoever comes second finds fresh numbers.
	b.reading.Lock()
	defer b.reading.Unlock()
	r, fresh := b.place(rank)
	if r == nil && !fresh {
		if err := b.refresh(ctx); err != nil {
			return nil, err
		}
		r, _ = b.place(rank)
	}
	if r != nil {
		return r, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.redis.full() {
		return nil, &BusyError{Scope: "memory", RetryAfter: fullRetry}
	}
	return nil, &BusyError{Scope: "service", RetryAfter: b.retryAfter()}
}

// place takes a place if there is one by what is known, and says whether that is good enough to refuse.
func (b *backlog) place(rank int) (r *reservation, fresh bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	age := time.Since(b.readAt)
	if age > backlogAge {
		select {
		case b.kick <- struct{}{}:
		default:
		}
	}
	if (b.limit > 0 || b.redis.max > 0) && age > unknownAge {
		return nil, false
	}
	if b.redis.full() {
		return nil, time.Since(b.remembered) < memoryAge
	}
	if b.limit > 0 && b.waiting+total(b.reserved) >= b.limit {
		return nil, age < fullAge && b.doubtful == 0
	}
	l, crowded := b.shortest(rank)
	b.reserved[l][rank]++
	release := func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.reserved[l][rank]--
	}
	return &reservation{lane: l, crowded: crowded, release: release, waiting: b.waiting, memory: b.redis}, true
}

// stale makes the next refusal read the lengths again: a place has become free.
func (b *backlog) stale() {
	b.mu.Lock()
	b.readAt = time.Time{}
	b.mu.Unlock()
}

// add counts a job that was sent, until the next reading sees it.
func (b *backlog) add(l lane, p Priority) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting++
	b.lengths[l][p.rank()]++
	b.added[l][p.rank()]++
}

// refresh reads the lengths of all queues and how many jobs they have seen to their end. Called with reading held.
func (b *backlog) refresh(ctx context.Context) error {
	var lengths []*redis.IntCmd
	var seen []*redis.StringCmd
	b.mu.Lock()
	b.added = perQueue(b.layout)
	b.mu.Unlock()
	pipe := b.rdb.Pipeline()
	for l := range b.layout.lanes {
		for _, p := range priorities {
			lengths = append(lengths, pipe.LLen(ctx, lane(l).pending(p)))
			seen = append(seen, pipe.Get(ctx, lane(l).asynq(p)+"processed"))
		}
	}
	if _, err := pipe.Exec(ctx); err != nil && err != redis.Nil {
		return err
	}
	if err := b.remember(ctx); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	// What was sent while Redis was asked may be in its answer or not: count it, rather than exceed the limit or crowd a lane.
	processed := int64(0)
	b.waiting, b.doubtful = 0, total(b.added)
	for i := range lengths {
		l, rank := i/len(priorities), i%len(priorities)
		b.lengths[l][rank] = int(lengths[i].Val()) + b.added[l][rank]
		b.waiting += b.lengths[l][rank]
		done, _ := seen[i].Int64()
		processed += done
	}
	now := time.Now()
	b.drained(now, processed)
	b.readAt = now
	return nil
}

// remember reads how full Redis is, when what is known is old.
func (b *backlog) remember(ctx context.Context) error {
	b.mu.Lock()
	known := time.Since(b.remembered) < memoryAge
	b.mu.Unlock()
	if known {
		return nil
	}
	m, err := readMemory(ctx, b.rdb)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.redis, b.remembered = m, time.Now()
	return nil
}

// memory is how full Redis is; nothing where it does not answer, which others find as well.
func (b *backlog) memory(ctx context.Context) memory {
	_ = b.remember(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.redis
}

// shortest is a lane than which none is shorter, and the crowded ones. A client's first job goes to the shortest, so that it never
// stands behind somebody's thousand, and draws the others after it. Called with the lock held.
func (b *backlog) shortest(rank int) (best lane, crowded string) {
	start := rand.IntN(b.layout.lanes)
	best, least := lane(start), math.MaxInt
	var over []byte
	for i := range b.layout.lanes {
		l := lane((start + i) % b.layout.lanes)
		waiting := b.lengths[l][rank]
		if n := waiting + b.reserved[l][rank]; n < least {
			best, least = l, n
		}
		if waiting > lightLoad {
			over = append(hex.AppendEncode(over, []byte{byte(l)}), ' ')
		}
	}
	return best, string(over)
}

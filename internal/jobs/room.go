package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// shareOf names the share that a job is charged to: a hash, since it stands in Redis for as long as the record does and may be of an
// address.
func shareOf(o SubmitOptions) string {
	kind, name := "client:", o.Client
	if name == "" {
		kind, name = "address:", o.Address
	}
	sum := sha256.Sum256([]byte(kind + name))
	return hex.EncodeToString(sum[:8])
}

// Room is what there is for more jobs and their outcomes.
type Room struct {
	// State is "open", or "full" when no job would be accepted; Reason says why.
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"`
	// JobsWaiting and RequestBytes are bounded by JobsMost and RequestBytesMost, those of unfinished jobs; OutcomeBytes are kept of the
	// finished ones. MemoryBytes is what Redis uses, and MemoryBytesMost its maxmemory. Where a bound is 0 there is none.
	JobsWaiting      int   `json:"jobs_waiting"`
	JobsMost         int   `json:"jobs_most"`
	RequestBytes     int64 `json:"request_bytes"`
	RequestBytesMost int64 `json:"request_bytes_most"`
	OutcomeBytes     int64 `json:"outcome_bytes"`
	MemoryBytes      int64 `json:"memory_bytes"`
	MemoryBytesMost  int64 `json:"memory_bytes_most"`
}

// Room asks Redis, in two round trips.
func (q *Queue) Room(ctx context.Context) (Room, error) {
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	depth, err := q.Depth(ctx)
	if err != nil {
		return Room{}, err
	}
	m, err := readMemory(ctx, q.rdb)
	if err != nil {
		return Room{}, unavailable(caller, "room", err)
	}
	r := Room{
		State: "open", JobsMost: q.o.Limit, RequestBytesMost: m.budget(q.o.Bytes, queuePart), MemoryBytes: m.used, MemoryBytesMost: m.max,
	}
	for _, n := range depth.Waiting {
		r.JobsWaiting += n
	}
	pipe := q.rdb.Pipeline()
	var books []*redis.SliceCmd
	for _, book := range q.layout.books() {
		books = append(books, pipe.HMGet(ctx, book, "bytes", "outcomes"))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return Room{}, unavailable(caller, "room", err)
	}
	for _, b := range books {
		requests, _ := strconv.ParseInt(text(b.Val()[0]), 10, 64)
		outcomes, _ := strconv.ParseInt(text(b.Val()[1]), 10, 64)
		r.RequestBytes, r.OutcomeBytes = r.RequestBytes+requests, r.OutcomeBytes+outcomes
	}
	switch {
	case m.full():
		r.Reason = "redis is full: it uses " + m.String() + "; " + whenFull
	case r.RequestBytesMost > 0 && r.RequestBytes >= r.RequestBytesMost:
		r.Reason = "the requests of unfinished jobs take all the bytes that they may"
	case r.JobsMost > 0 && r.JobsWaiting >= r.JobsMost:
		r.Reason = "as many jobs wait as may"
	}
	if r.Reason != "" {
		r.State = "full"
	}
	return r, nil
}

// whenFull is what clients are told about a full Redis beside how full it is.
const whenFull = "jobs are accepted again as results expire, or with more memory"

// fullRetry is the Retry-After where there is no room for bytes: nobody knows when the jobs that hold it will end.
const fullRetry = 5 * time.Second

// room is what submit.lua needs to know to refuse a job. On a cluster the script sees one lane, and has one lane's part of the budget.
func (q *Queue) room(place *reservation) room {
	bytes := place.memory.budget(q.o.Bytes, queuePart) / int64(len(q.layout.books()))
	limit := q.o.Limit
	if q.o.Share >= 1 {
		limit = 0 // the reservation has seen to the queue's own
	}
	return room{bytes: bytes, limit: limit, waiting: place.waiting, part: q.o.Share}
}

// refusal is why submit.lua has not accepted a job.
func (q *Queue) refusal(caller context.Context, s *submission, err error) error {
	switch {
	case s.refused == roomShare: // asynq does not wrap errors, it quotes them
		return &BusyError{Scope: "share", RetryAfter: q.backlog.patience()}
	case s.refused == roomBytes:
		return &BusyError{Scope: "bytes", RetryAfter: fullRetry}
	case isFull(err):
		return &BusyError{Scope: "memory", RetryAfter: fullRetry}
	}
	return unavailable(caller, "submit", err)
}

package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// batchPatience is what each job of a batch adds to the time that Redis has to answer: a busy one takes a tenth of it for a job.
const batchPatience = 2 * time.Millisecond

// Submitted is what became of one request of a batch.
type Submitted struct {
	// ID is empty when there is no job.
	ID string
	// Job is a new one; nil where the batch was sent before and its job is there already, in whatever state: Find has it.
	Job *Job
	// Err is why there is no job, as Submit would say it.
	Err error
}

// SubmitBatch accepts jobs as Submit does, each by itself: what became of a request stands in its place, and a refusal is its own alone. A nil is
// the place of what is no request, and stays empty.
//
// All jobs go to Redis in one round trip, on a cluster in one to each node; those of a named client are admitted in another before, and an
// idempotency key is claimed in one before that. The key is the batch's: with other requests under it nothing is submitted and the error is
// ErrIdempotencyMismatch. The same requests get the jobs that are there, and those that are not (the first time was cut short, or they were
// refused) are submitted now. Any other error says that nothing was submitted.
func (q *Queue) SubmitBatch(ctx context.Context, requests []*Request, o SubmitOptions) ([]Submitted, error) {
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, answerWithin+time.Duration(len(requests))*batchPatience)
	defer cancel()
	b := &batch{q: q, o: o, out: make([]Submitted, len(requests))}
	if err := b.encode(requests); err != nil {
		return nil, err
	}
	defer b.release()
	for _, step := range []func(context.Context) error{b.claim, b.reserve, b.admit} {
		if err := step(ctx); err != nil {
			return nil, submitError(caller, err)
		}
	}
	b.send(caller, ctx)
	return b.out, nil
}

// batch is one on its way to Redis.
type batch struct {
	q   *Queue
	o   SubmitOptions
	out []Submitted
	// entries are the requests that are still to become jobs.
	entries []*batchEntry
}

type batchEntry struct {
	place    int // in the batch
	s        *submission
	priority Priority
	seat     *reservation
	// id is the job's; keyed the same where the batch has an idempotency key, which fixes it.
	id, keyed string
	lane      lane
}

func (b *batch) encode(requests []*Request) error {
	for i, r := range requests {
		if r == nil {
			continue
		}
		body, err := encode(r)
		if err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
		e := &batchEntry{place: i, priority: r.Priority, s: &submission{
			body: body, ttl: b.q.o.ResultTTL, client: b.o.Client, share: shareOf(b.o), held: true,
		}}
		if e.priority == "" {
			e.priority = Default
		}
		b.entries = append(b.entries, e)
	}
	return nil
}

// keep keeps the entries for which f is true, and has the others' places be done.
func (b *batch) keep(f func(*batchEntry) bool) {
	var kept []*batchEntry
	for _, e := range b.entries {
		if f(e) {
			kept = append(kept, e)
		} else if e.seat != nil {
			e.seat.release()
		}
	}
	b.entries = kept
}

// refuse is a place's refusal, for use in keep.
func (b *batch) refuse(e *batchEntry, err error) bool {
	b.out[e.place].Err = err
	return false
}

func (b *batch) release() { b.keep(func(*batchEntry) bool { return false }) }

// claim makes the idempotency key, if there is one, this batch's, and finds the jobs that are there already.
func (b *batch) claim(ctx context.Context) error {
	if b.o.IdempotencyKey == "" || len(b.entries) == 0 {
		return nil
	}
	home, print := b.q.layout.home(b.o.Client), b.fingerprint()
	keys := []string{home.record(keyedID(home, b.o.Client, b.o.IdempotencyKey))}
	for _, e := range b.entries {
		// No key has a line end in it: a job of a batch meets no other's.
		e.keyed = keyedID(home, b.o.Client, b.o.IdempotencyKey+"\n"+strconv.Itoa(e.place))
		e.s.fingerprint = print
		keys = append(keys, home.record(e.keyed))
	}
	there, err := claimScript.Run(ctx, b.q.rdb, keys, print, int(b.q.o.ResultTTL/time.Second)).Int64Slice()
	if errors.Is(err, redis.Nil) {
		return ErrIdempotencyMismatch
	}
	if err != nil {
		return err
	}
	i := -1
	b.keep(func(e *batchEntry) bool {
		i++
		if there[i] == 1 {
			b.out[e.place].ID = e.keyed
		}
		return there[i] == 0
	})
	return nil
}

// fingerprint is that of all requests and their places.
func (b *batch) fingerprint() string {
	sum := sha256.New()
	for _, e := range b.entries {
		fmt.Fprintf(sum, "%d %s\n", e.place, fingerprint(e.s.body))
	}
	return "batch of " + strconv.Itoa(len(b.out)) + ": " + hex.EncodeToString(sum.Sum(nil))
}

// reserve takes a place in the queue for each.
func (b *batch) reserve(ctx context.Context) (err error) {
	ahead := 0
	b.keep(func(e *batchEntry) bool {
		if err != nil {
			return false
		}
		var busy *BusyError
		seat, failed := b.q.backlog.reserve(ctx, e.priority)
		switch {
		case errors.As(failed, &busy):
			return b.refuse(e, failed)
		case failed != nil:
			err = failed
			return false
		}
		e.seat, e.id = seat, newID(seat.lane)
		e.s.room = b.q.room(seat)
		// Those ahead of it are not in what is known of the queue.
		e.s.room.waiting += ahead
		ahead++
		return true
	})
	return err
}

// admit applies a named client's own limits to each, in their order.
func (b *batch) admit(ctx context.Context) error {
	if b.o.Client != "" {
		tooMany, err := b.admitAll(ctx, b.entries)
		if err != nil {
			return err
		}
		if len(tooMany) > 0 {
			if err := b.q.recount(ctx, b.o.Client); err != nil {
				return err
			}
			if tooMany, err = b.admitAll(ctx, tooMany); err != nil {
				return err
			}
		}
		for _, e := range tooMany {
			b.out[e.place].Err = &BusyError{Scope: "key", RetryAfter: time.Second}
		}
		b.keep(func(e *batchEntry) bool { return b.out[e.place].Err == nil })
	}
	for _, e := range b.entries {
		e.lane, _ = laneOf(e.id)
		if e.keyed != "" {
			e.id = e.keyed
			if b.q.layout.cluster {
				e.lane, _ = laneOf(e.keyed)
			}
		}
	}
	return nil
}

// admitAll returns those for which the client has too many jobs in flight.
func (b *batch) admitAll(ctx context.Context, entries []*batchEntry) (tooMany []*batchEntry, err error) {
	calls := make([]call, len(entries))
	for i, e := range entries {
		calls[i] = b.q.admission(b.o.Client, e.id, e.keyed, e.seat.crowded)
	}
	for i, cmd := range runAll(ctx, b.q.rdb, admitScript, calls) {
		answer, err := cmd.Slice()
		if err != nil {
			return nil, err
		}
		id, _, err := parseAdmission(answer)
		switch e := entries[i]; {
		case err == errTooMany:
			tooMany = append(tooMany, e)
		case err != nil:
			b.out[e.place].Err = err
		default:
			e.id = id
		}
	}
	return tooMany, nil
}

// send has asynq make the tasks, and writes them all.
func (b *batch) send(caller, ctx context.Context) {
	b.keep(func(e *batchEntry) bool {
		if err := b.q.send(ctx, e.id, e.lane, e.priority, e.s, b.o); err != nil {
			return b.refuse(e, err)
		}
		return true
	})
	calls := make([]call, len(b.entries))
	for i, e := range b.entries {
		calls[i] = e.s.call
	}
	var none []any // of the client's set
	for i, cmd := range runAll(ctx, b.q.rdb, submitScript, calls) {
		e := b.entries[i]
		job, err := b.q.sent(caller, e.id, e.lane, e.priority, e.s, b.o, e.s.outcome(cmd))
		e.seat.release() // or it would count twice until the last is through
		if job == nil {
			b.q.replies.forget(e.id)
			none = append(none, e.id)
		}
		if b.out[e.place] = (Submitted{ID: e.id, Job: job, Err: err}); err != nil {
			b.out[e.place].ID = ""
		}
	}
	b.entries = nil
	if len(none) > 0 && b.o.Client != "" {
		// Left behind, they are found by recount.
		_ = b.q.rdb.ZRem(ctx, clientJobs(b.o.Client), none...).Err()
	}
}

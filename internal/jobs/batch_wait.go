package jobs

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// WaitAll returns when all of these jobs are final, or when max is over, and says which it was. Of those whose word of the end brought the
// document along the job is returned in its place; what is nil is for Find. The errors are those of Wait, but that of a job that there is
// not: nobody waits for it.
func (q *Queue) WaitAll(ctx context.Context, ids []string, max time.Duration) (jobs []*Job, final bool, err error) {
	w := &waitAll{q: q, ids: ids, awaited: make([]*awaited, len(ids)), over: make([]bool, len(ids))}
	var unexpected []int
	for i, id := range ids {
		var expected bool
		if w.awaited[i], expected = q.replies.take(id); !expected {
			unexpected = append(unexpected, i)
		}
	}
	defer func() {
		for i, id := range ids {
			q.replies.drop(id, w.awaited[i])
		}
	}()
	if err := w.watch(ctx, unexpected); err != nil {
		return nil, false, err
	}
	if final, err = w.wait(ctx, max); err != nil {
		return nil, false, err
	}
	jobs = make([]*Job, len(ids))
	for i, a := range w.awaited {
		select {
		case <-a.ended:
			if a.doc != "" {
				jobs[i] = parseDocument(a.doc, ids[i], q.replies.clientOf(a))
			}
		default:
		}
	}
	return jobs, final, nil
}

// waitAll is one call of it.
type waitAll struct {
	q       *Queue
	ids     []string
	awaited []*awaited
	over    []bool // found to be final, or gone, by asking
}

// wait waits for one job after the other, and so until the last has ended.
func (w *waitAll) wait(ctx context.Context, max time.Duration) (final bool, err error) {
	end := time.NewTimer(max)
	defer end.Stop()
	poll := time.NewTicker(replyPoll)
	defer poll.Stop()
	for i := 0; i < len(w.ids); {
		if w.over[i] {
			i++
			continue
		}
		select {
		case <-w.awaited[i].ended:
			w.over[i] = true
			continue
		default:
		}
		select {
		case <-w.awaited[i].ended:
			continue
		case <-ctx.Done():
			return false, ctx.Err()
		case <-w.q.replies.ctx.Done():
			return false, fmt.Errorf("wait: %w: closed", ErrUnavailable)
		case <-end.C:
			return false, nil
		case <-poll.C:
		case <-w.awaited[i].ask:
		}
		// A Redis that goes away meanwhile is sat out.
		_ = w.ask(ctx, i)
	}
	return true, nil
}

// ask finds out which of the jobs from this one on have ended unheard.
func (w *waitAll) ask(ctx context.Context, from int) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	pipe := w.q.rdb.Pipeline()
	states := map[int]*redis.StringCmd{}
	for i := from; i < len(w.ids); i++ {
		select {
		case <-w.awaited[i].ended:
			continue
		default:
		}
		if l, ok := laneOf(w.ids[i]); ok && !w.over[i] {
			states[i] = pipe.HGet(ctx, l.record(w.ids[i]), "s")
		}
	}
	if err := execute(ctx, pipe); err != nil {
		return err
	}
	for i, s := range states {
		w.over[i] = s.Err() != nil || Status(s.Val()).Final()
	}
	return nil
}

// watch asks for the reply to jobs that were submitted elsewhere or without Reply, and finds those that are final.
func (w *waitAll) watch(ctx context.Context, which []int) error {
	if len(which) == 0 {
		return nil
	}
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, answerWithin+time.Duration(len(which))*batchPatience)
	defer cancel()
	calls := make([]call, len(which))
	for n, i := range which {
		l, ok := laneOf(w.ids[i])
		if !ok {
			return ErrNotFound
		}
		calls[n] = call{keys: []string{l.record(w.ids[i])}, args: []any{w.q.replies.channel, "s", "cl"}}
	}
	for n, cmd := range runAll(ctx, w.q.rdb, watchScript, calls) {
		values, err := cmd.Slice()
		if err != nil && !foreign(err) {
			return unavailable(caller, "wait", err)
		}
		i := which[n]
		if len(values) < 2 {
			values = make([]any, 2)
		}
		status, _ := values[0].(string)
		client, _ := values[1].(string)
		w.over[i] = status == "" || Status(status).Final()
		w.q.replies.name(w.ids[i], client)
	}
	return nil
}

// Find returns jobs as they are now, in one round trip: nil where there is none, or ErrUnavailable, or the caller's ctx. A job may be
// megabytes.
func (q *Queue) Find(ctx context.Context, ids []string) ([]*Job, error) {
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	pipe := q.rdb.Pipeline()
	values := make([]*redis.SliceCmd, len(ids))
	for i, id := range ids {
		if l, ok := laneOf(id); ok {
			values[i] = pipe.HMGet(ctx, l.record(id), recordFields...)
		}
	}
	if err := execute(ctx, pipe); err != nil {
		return nil, unavailable(caller, "find jobs", err)
	}
	found := make([]*Job, len(ids))
	for i, v := range values {
		if v != nil {
			found[i] = parseRecord(ids[i], v.Val())
		}
	}
	return found, nil
}

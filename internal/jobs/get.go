package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// Get returns the job as it is now: ErrNotFound, ErrUnavailable, or the caller's ctx.
func (q *Queue) Get(ctx context.Context, id string) (*Job, error) {
	l, ok := laneOf(id)
	if !ok {
		return nil, ErrNotFound
	}
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	values, err := q.rdb.HMGet(ctx, l.record(id), recordFields...).Result()
	if err != nil && !foreign(err) {
		return nil, unavailable(caller, "get job", err)
	}
	return found(parseRecord(id, values))
}

func found(j *Job) (*Job, error) {
	if j == nil {
		return nil, ErrNotFound
	}
	return j, nil
}

// cancelPatience is how long Cancel gives a worker to stop a running script, which takes it milliseconds.
const cancelPatience = time.Second

// Cancel ends a queued job at once and has a running one stopped; it returns the job as it is then, which is running only
// when its worker did not answer within a second. A job that is final stays as it is.
func (q *Queue) Cancel(ctx context.Context, id string) (*Job, error) {
	l, ok := laneOf(id)
	if !ok {
		return nil, ErrNotFound
	}
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	was, err := cancelScript.Run(ctx, q.rdb, []string{l.record(id), q.layout.book(l)}, id, cancelChannel).Text()
	if errors.Is(err, redis.Nil) || foreign(err) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, unavailable(caller, "cancel", err)
	}
	if Status(was) == Running {
		return q.Wait(caller, id, cancelPatience)
	}
	j, err := q.Get(caller, id)
	if err == nil && Status(was) == Queued {
		q.backlog.stale()
		q.dismiss(ctx, j.Client, id)
	}
	return j, err
}

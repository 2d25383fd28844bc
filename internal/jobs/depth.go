package jobs

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// Depth is how much there is to do: the figures by which workers are added or taken away.
type Depth struct {
	// Waiting counts the jobs that no worker has begun.
	Waiting map[Priority]int
	// Running counts those that are with a worker, living or not yet found dead.
	Running int
}

// Depth reads the lengths of all queues, in one round trip.
func (q *Queue) Depth(ctx context.Context) (Depth, error) {
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	pipe := q.rdb.Pipeline()
	var waiting, running []*redis.IntCmd
	for l := range q.layout.lanes {
		for _, p := range priorities {
			waiting = append(waiting, pipe.LLen(ctx, lane(l).pending(p)))
			running = append(running, pipe.LLen(ctx, lane(l).asynq(p)+"active"))
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return Depth{}, unavailable(caller, "depth", err)
	}
	d := Depth{Waiting: map[Priority]int{}}
	for i := range waiting {
		d.Waiting[priorities[i%len(priorities)]] += int(waiting[i].Val())
		d.Running += int(running[i].Val())
	}
	return d, nil
}

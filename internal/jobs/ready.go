package jobs

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Ready reports why jobs would not be done now: Redis does not answer, no worker lives, or none serves all of this queue's
// lanes.
func (q *Queue) Ready(ctx context.Context) error {
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	if m := q.backlog.memory(ctx); m.full() {
		// First of all: workers cannot say that they are there, either.
		return fmt.Errorf("redis is full: it uses %s, and the rest is kept for jobs that were accepted; %s", m, whenFull)
	}
	pipe := q.rdb.Pipeline()
	// asynq's workers renew an entry here every 5 s, good for 10.
	beating := pipe.ZCount(ctx, "asynq:servers", strconv.FormatInt(time.Now().Unix(), 10), "+inf")
	said, now := pipe.HGetAll(ctx, workersKey), pipe.Time(ctx)
	if _, err := pipe.Exec(ctx); err != nil {
		return unavailable(caller, "ready", err)
	}
	workers, _ := live(said.Val(), now.Val())
	if beating.Val() == 0 || len(workers) == 0 {
		return errors.New("no live worker")
	}
	served := 0
	for _, w := range workers {
		served = max(served, w.Lanes)
	}
	if served < q.layout.lanes {
		return fmt.Errorf("the workers serve %d of %d queue shards: QUEUE_SHARDS must be the same in all processes", served, q.layout.lanes)
	}
	return nil
}

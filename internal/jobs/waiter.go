package jobs

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

// slowPoll is how long a worker waits to be woken before it polls by itself: the net beneath lost tokens, and how long a queue that is
// taken out of pause may go unnoticed.
const slowPoll = 5 * time.Second

// blockMargin is how late Redis' answer to a blocking command may be.
const blockMargin = 2 * time.Second

// waiter is where a worker without a job waits. A submission puts a token into the wake-up list; BLPOP hands each token to one waiting
// worker at once. Every wait follows a poll that left the queues empty, and that poll empties the wake-up list in the same step: a
// token in it is therefore never older than the jobs it stands for, and no job in a queue is without one. Where jobs are dispatched to
// workers, one poll is good for as many waits as there are jobs that none had to wait. What is waited for, and by whom, is in slots.
type waiter struct {
	rdb   redis.UniversalClient
	slots *slots
	lists []string // of wake-up tokens; on a cluster there is one for each lane
	alarm string   // follows a list's name in that of a list of our own, by which the wait is ended
	wg    sync.WaitGroup
}

func newWaiter(rdb redis.UniversalClient, y layout, s *slots) *waiter {
	w := &waiter{rdb: rdb, slots: s, alarm: ":stop:" + uuid.NewString()}
	for _, lanes := range y.groups() {
		w.lists = append(w.lists, y.wakeups(lanes[0]))
	}
	return w
}

// pause waits, but not longer than until the stop.
func (w *waiter) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-w.slots.stop:
	}
}

// wait returns when it is time to poll: at a token, after at most so long, or at the stop; and when there are news, which may have
// spared the poll.
func (w *waiter) wait(most time.Duration) error {
	for _, list := range w.slots.beginWait(w.lists) {
		w.wg.Go(func() { w.attend(list) })
	}
	// An attendance that is older than this wait ends before slowPoll is over, and then the wait does.
	over := time.NewTimer(most)
	defer over.Stop()
	var woken wakeup
	news := false
	select {
	case woken = <-w.slots.wakeups:
	case <-over.C:
	case <-w.slots.news:
		news = true
	case <-w.slots.stop:
	}
	return w.slots.endWait(woken, news)
}

// waitForNews waits for nothing else, not for longer than this.
func (w *waiter) waitForNews(most time.Duration) {
	t := time.NewTimer(most)
	defer t.Stop()
	select {
	case <-w.slots.news:
	case <-t.C:
	case <-w.slots.stop:
	}
}

// attend waits for one token. One that comes when this worker does not wait any more is put back for others.
func (w *waiter) attend(list string) {
	// go-redis itself gives a blocking command ten seconds more than its timeout, before it calls the connection dead.
	ctx, cancel := context.WithTimeout(context.Background(), slowPoll+blockMargin)
	defer cancel()
	v, err := w.rdb.BLPop(ctx, slowPoll, list, list+w.alarm).Result()
	woken := wakeup{}
	switch {
	case err == nil && v[0] == list:
		woken.token = v[1]
	case err != nil && !errors.Is(err, redis.Nil):
		woken.err = err
	}
	if !w.slots.wake(list, woken) && woken.token != "" {
		w.putBack(context.Background(), list, woken.token)
	}
}

// putBack returns a token for whoever has a slot free. Where it is lost, the next slow poll is the net.
func (w *waiter) putBack(ctx context.Context, list, token string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), blockMargin)
	defer cancel()
	_ = w.rdb.LPush(ctx, list, token).Err()
}

// release wakes whoever waits, for good.
func (w *waiter) release() {
	ctx, cancel := context.WithTimeout(context.Background(), blockMargin)
	defer cancel()
	for _, list := range w.slots.close() {
		// Nothing is left behind: a list expires when nobody takes the token.
		w.rdb.RPush(ctx, list+w.alarm, "stop")
		w.rdb.Expire(ctx, list+w.alarm, 2*slowPoll)
	}
}

// close waits, after a release, until nobody attends any more: at once when Redis answers, otherwise for as long as a blocking command
// waits for its answer.
func (w *waiter) close() {
	w.release()
	w.wg.Wait()
}

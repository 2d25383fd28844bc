package jobs

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

// slowPoll is how long a parked worker waits for the bell before it looks by itself: the net beneath lost tokens, and how long
// a queue that is taken out of pause may go unnoticed.
const slowPoll = 5 * time.Second

// blockMargin is how late Redis' answer to a blocking command may be.
const blockMargin = 2 * time.Second

// parking is where a worker without a job waits. A submission puts a token on the bell, a Redis list; BLPOP hands each token
// to one waiting worker at once. Every wait follows a look that left the queues empty, and that look empties the bell in
// the same step: a token on it is therefore never older than the jobs it stands for, and no job in a queue is without one. Where
// jobs are handed to workers (handout), one look is good for as many waits as there are jobs that none had to wait.
type parking struct {
	rdb   redis.UniversalClient
	spots []*spot
	heard chan heard
	stop  chan struct{}
	once  sync.Once
	wg    sync.WaitGroup

	mu     sync.Mutex
	parked bool
}

// spot is one bell to listen at. On a cluster there is one for each lane.
type spot struct {
	bell  string
	alarm string // a list of our own, to end the waiting
	busy  bool   // somebody listens; guarded by parking.mu
}

type heard struct {
	hint string
	err  error
}

func newParking(rdb redis.UniversalClient, y layout) *parking {
	p := &parking{rdb: rdb, stop: make(chan struct{})}
	for _, lanes := range y.groups() {
		bell := y.bell(lanes[0])
		p.spots = append(p.spots, &spot{bell: bell, alarm: bell + ":stop:" + uuid.NewString()})
	}
	p.heard = make(chan heard, len(p.spots))
	return p
}

func (p *parking) stopping() bool {
	select {
	case <-p.stop:
		return true
	default:
		return false
	}
}

// pause waits, but not longer than until the stop.
func (p *parking) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-p.stop:
	}
}

// wait returns when it is time to look at the queues: at a token, which says which queue, after at most so long, or at the stop; and when there
// are news, which may have spared the look. There may be both.
func (p *parking) wait(fresh <-chan struct{}, most time.Duration) (hint string, news bool, err error) {
	p.mu.Lock()
	p.parked = true
	for _, s := range p.spots {
		if !s.busy && !p.stopping() {
			s.busy = true
			p.wg.Add(1)
			go p.listen(s)
		}
	}
	p.mu.Unlock()
	// A listener that is older than this wait ends before slowPoll is over, and then the wait does.
	over := time.NewTimer(most)
	defer over.Stop()
	var h heard
	select {
	case h = <-p.heard:
	case <-over.C:
	case <-fresh:
		news = true
	case <-p.stop:
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.parked = false
	if h == (heard{}) {
		select {
		case h = <-p.heard: // in the same moment
		default:
		}
	}
	return h.hint, news, h.err
}

// await waits for news alone, not for longer than this.
func (p *parking) await(fresh <-chan struct{}, most time.Duration) {
	t := time.NewTimer(most)
	defer t.Stop()
	select {
	case <-fresh:
	case <-t.C:
	case <-p.stop:
	}
}

// listen waits for one token. One that comes when this worker is not parked any more is given back for others.
func (p *parking) listen(s *spot) {
	defer p.wg.Done()
	// go-redis itself gives a blocking command ten seconds more than its timeout, before it calls the connection dead.
	ctx, cancel := context.WithTimeout(context.Background(), slowPoll+blockMargin)
	defer cancel()
	v, err := p.rdb.BLPop(ctx, slowPoll, s.bell, s.alarm).Result()
	h := heard{}
	switch {
	case err == nil && v[0] == s.bell:
		h.hint = v[1]
	case err != nil && !errors.Is(err, redis.Nil):
		h.err = err
	}
	p.mu.Lock()
	s.busy = false
	wanted := p.parked && !p.stopping()
	if wanted {
		select {
		case p.heard <- h:
		default: // there is enough to look for
			wanted = false
		}
	}
	p.mu.Unlock()
	if !wanted && h.hint != "" {
		ctx, cancel := context.WithTimeout(context.Background(), blockMargin)
		defer cancel()
		p.rdb.LPush(ctx, s.bell, h.hint)
	}
}

// release wakes whoever is parked, for good.
func (p *parking) release() {
	p.once.Do(func() {
		p.mu.Lock()
		close(p.stop)
		var alarms []string
		for _, s := range p.spots {
			if s.busy {
				alarms = append(alarms, s.alarm)
			}
		}
		p.mu.Unlock()
		ctx, cancel := context.WithTimeout(context.Background(), blockMargin)
		defer cancel()
		for _, a := range alarms {
			// Nothing is left behind: a list expires when nobody takes the token.
			p.rdb.RPush(ctx, a, "stop")
			p.rdb.Expire(ctx, a, 2*slowPoll)
		}
	})
}

// close waits, after a release, until nobody listens any more: at once when Redis answers, otherwise for as long as a
// listener waits for its answer.
func (p *parking) close() {
	p.release()
	p.wg.Wait()
}

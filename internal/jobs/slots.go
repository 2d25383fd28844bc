package jobs

import (
	"sync"
	"time"
)

// maxBatch is how many jobs are taken in one round trip at most: asynq takes them one by one, and with short jobs the round trips are
// what limits a worker.
const maxBatch = 8

// slots are a worker's places in which jobs run, with all that the worker knows of the jobs that have one or are about to. They are
// changed from three sides: by the goroutine that takes jobs for asynq, by the channel on which jobs are dispatched, and by the jobs
// that end. Nothing here waits, and nothing asks Redis: each method is a step of the state machine in docs/queue.md, under one lock.
type slots struct {
	total   int
	cluster bool // nothing is dispatched, and each poll is for one job
	now     func() time.Time

	stop    chan struct{} // closed when no more jobs are taken
	news    chan struct{} // has a token when there may be a job to take, or the worker is in the list of free workers no more
	wakeups chan wakeup   // to whoever waits
	renew   chan struct{} // has a token when jobs were lost on the channel, and another is to be used

	mu sync.Mutex

	busy       int                 // slots that jobs have or are about to have
	finishing  int                 // of those, how many Redis is being told to be free
	prefetched []*claim            // taken beyond the one that asynq asked for
	dispatched []*claim            // received on the channel
	given      map[string]*claim   // to asynq, and not yet asked for by the handler
	ended      map[string]struct{} // jobs that are off asynq's lists already, and asynq comes to take them off
	ahead      time.Duration       // Redis' clock less ours

	// Of the polls. Only the goroutine that takes jobs changes these.
	batch     int       // jobs to ask for next
	drained   bool      // the last poll left the queues empty, and no job had to wait since, as far as is known
	polledAt  time.Time // when the worker has last seen the queues
	keptUntil time.Time // when to poll again at the latest: what waits is not to have this worker's slot before, see lua/shares.lua
	token     string    // a wake-up token that has led to no poll yet: there may be a job in this list

	// Of direct dispatch, see dispatch.go.
	channel   string    // this worker's, and its name in the list of free workers; empty while nobody listens, and on a cluster
	arrived   int       // jobs on that channel
	listed    bool      // the worker is in the list with all of its free slots: since its last poll no job for all had to wait
	lateSince time.Time // since when jobs have been on their way and none has come; zero while there are none

	// Of the wait, see waiter.go.
	waiting  bool
	attended map[string]bool // the wake-up lists at which a connection of ours waits
}

func newSlots(total int, cluster bool) *slots {
	return &slots{
		total: total, cluster: cluster, now: time.Now, batch: 1,
		stop: make(chan struct{}), news: make(chan struct{}, 1), wakeups: make(chan wakeup, maxLanes), renew: make(chan struct{}, 1),
		given: map[string]*claim{}, ended: map[string]struct{}{}, attended: map[string]bool{},
	}
}

// step is what the goroutine that takes jobs is to do next: one of these, or else to poll.
type step struct {
	begin    *claim        // give this job to asynq
	giveBack *claim        // this one has been here for so long that its lease may be over before asynq renews it
	wait     time.Duration // for a wake-up token, for news, or at most so long
}

func (s *slots) next() step {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.prefetched) > 0 {
		c := s.prefetched[0]
		s.prefetched = s.prefetched[1:]
		s.given[c.id] = c
		return step{begin: c}
	}
	if len(s.dispatched) > 0 {
		c := s.dispatched[0]
		s.dispatched = s.dispatched[1:]
		s.drained = s.drained && s.listed
		if s.now().Sub(c.obtained) > staleDelivery {
			return step{giveBack: c}
		}
		s.given[c.id] = c
		return step{begin: c}
	}
	if s.drained && s.polledLately() {
		return step{wait: slowPoll + blockMargin}
	}
	if kept := s.keptUntil.Sub(s.now()); kept > 0 {
		return step{wait: kept}
	}
	return step{}
}

// ask is what a worker tells of itself when it polls.
type ask struct {
	channel string
	free    int // slots; 0 is no reason to poll
	arrived int // jobs on the channel
	jobs    int // to take at most
	token   string
}

// ask begins a poll.
func (s *slots) ask() ask {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := ask{channel: s.channel, free: s.total - s.busy, arrived: s.arrived, token: s.token, jobs: 1}
	if len(s.dispatched) == 0 {
		a.free = max(1, a.free) // asynq has a slot for the job it asks for, whatever this says
	}
	if a.free < 1 {
		return a // it was dispatched one meanwhile
	}
	if s.stopping() {
		a.channel = ""
	}
	if !s.cluster {
		a.jobs = min(s.batch, a.free, maxBatch)
	}
	s.batch, s.drained, s.keptUntil = 1, false, time.Time{}
	return a
}

// took gives a job a slot that a poll has brought.
func (s *slots) took(c *claim) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy++
	s.ahead = c.started.Sub(c.obtained)
	s.prefetched = append(s.prefetched, c)
}

// polled ends a poll that has seen the queues. They are empty now or not; if not, the next poll may ask for more.
func (s *slots) polled(a ask, drained bool, batch int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token, s.polledAt, s.drained = "", s.now(), drained
	// The channel of the poll may be this worker's no more.
	s.listed = drained && a.channel != "" && a.channel == s.channel
	if !drained {
		s.batch = batch
	}
}

// keep ends a poll that found jobs which may not have this worker's slot for so long.
func (s *slots) keep(a ask, kept time.Duration) {
	s.polled(a, false, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keptUntil = s.now().Add(min(kept, slowPoll))
}

func (s *slots) polledLately() bool { return s.now().Sub(s.polledAt) < slowPoll }

// takeToken returns the token that has led to no poll, for somebody else.
func (s *slots) takeToken() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	token := s.token
	s.token = ""
	return token
}

// claimed returns a job that asynq was given, once: its handler has begun.
func (s *slots) claimed(id string) *claim {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.given[id]
	delete(s.given, id)
	return c
}

// vacate says that a job takes no slot any more. It may be said again.
func (s *slots) vacate(c *claim) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.vacated(c)
}

func (s *slots) vacated(c *claim) {
	if !c.vacated {
		c.vacated = true
		s.busy--
	}
}

// finishes begins to tell Redis how a job ended. The next one for its slot may be there before the answer is. It returns the channel on
// which that may be dispatched; empty when the worker is to poll first: something may wait that nobody was dispatched or woken for.
func (s *slots) finishes() (channel string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.finishing++
	if s.stopping() || !s.polledLately() {
		return ""
	}
	return s.channel
}

// finished says whether Redis has taken it, and whether Redis then put the worker's slot into the list of free ones.
func (s *slots) finished(c *claim, taken, listed bool) {
	s.mu.Lock()
	s.finishing--
	if taken {
		s.ended[c.id] = struct{}{}
		s.vacated(c)
	}
	s.mu.Unlock()
	if !listed {
		s.unlist()
	}
}

// end remembers that a job is off asynq's lists, until asynq comes to take it off.
func (s *slots) end(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended[id] = struct{}{}
}

// hasEnded says so once.
func (s *slots) hasEnded(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.ended[id]
	delete(s.ended, id)
	return ok
}

// unbegun are the jobs that were taken and not given to asynq. They have no slot any more, and are for the caller to give back.
func (s *slots) unbegun() []*claim {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := append(s.prefetched, s.dispatched...)
	s.prefetched, s.dispatched = nil, nil
	return all
}

// redisAhead is Redis' clock less ours.
func (s *slots) redisAhead() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ahead
}

func (s *slots) stopping() bool {
	select {
	case <-s.stop:
		return true
	default:
		return false
	}
}

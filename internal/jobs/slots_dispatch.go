package jobs

import "time"

// listenOn sets the channel, from when somebody listens to it; none, from when perhaps nobody does.
func (s *slots) listenOn(channel string) {
	s.mu.Lock()
	s.channel, s.arrived, s.listed, s.lateSince = channel, 0, false, time.Time{}
	s.mu.Unlock()
	notify(s.news)
}

// listensOn is the channel now.
func (s *slots) listensOn() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.channel
}

// arrive counts a message on a channel, and takes the job in it: false when there is no slot for that, or it has been long on its way. The
// claim is nil where the message was none.
func (s *slots) arrive(channel string, c *claim) bool {
	s.mu.Lock()
	if channel == s.channel {
		s.arrived++
		s.lateSince = time.Time{}
	}
	taken := c != nil && s.busy-s.finishing < s.total && !s.stopping() && s.now().Sub(c.started.Add(-s.ahead)) < staleDelivery
	if taken {
		s.busy++
		s.dispatched = append(s.dispatched, c)
	} else if c != nil {
		c.vacated = true // it has never had a slot
	}
	s.mu.Unlock()
	if taken {
		notify(s.news)
	}
	return taken
}

// onTheWay is told, by a poll that brought no job, Redis' clock and how many jobs Redis had dispatched to this worker when so many
// had arrived. What takes longer than a blocked command would has been lost.
func (s *slots) onTheWay(redisNow time.Time, jobs, arrived int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.ahead = redisNow.Sub(now)
	switch {
	case jobs == 0 || s.arrived != arrived:
		s.lateSince = time.Time{}
	case s.lateSince.IsZero():
		s.lateSince = now
	case now.Sub(s.lateSince) > blockMargin:
		notify(s.renew)
	}
}

// unlist is told that the worker is not in the list of free workers, or not with all of its slots: what it waits for may be in the queues.
func (s *slots) unlist() {
	s.mu.Lock()
	s.listed = false
	s.mu.Unlock()
	notify(s.news)
}

// notify puts a token where one is enough.
func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

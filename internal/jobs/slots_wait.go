package jobs

import "time"

// wakeup is what waiting at a wake-up list has brought: a token, which names the pending list that a job is in, or an error, or neither.
type wakeup struct {
	token string
	err   error
}

// beginWait returns the lists at which nobody of ours waits yet, and counts them as attended.
func (s *slots) beginWait(lists []string) (unattended []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = true
	for _, list := range lists {
		if !s.attended[list] && !s.stopping() {
			s.attended[list] = true
			unattended = append(unattended, list)
		}
	}
	return unattended
}

// wake ends the attendance at a list with what it has brought; false when nobody waits for that any more.
func (s *slots) wake(list string, w wakeup) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.attended, list)
	if !s.waiting || s.stopping() {
		return false
	}
	select {
	case s.wakeups <- w:
		return true
	default: // there are enough to poll for
		return false
	}
}

// endWait takes notice of what the wait was ended by: a wake-up, news, or neither. There may be both.
func (s *slots) endWait(w wakeup, news bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = false
	if w == (wakeup{}) {
		select {
		case w = <-s.wakeups: // in the same moment
		default:
		}
	}
	s.token = w.token
	if s.drained {
		// News alone may have spared the poll: what was dispatched came without one.
		s.drained = news && w.token == "" && s.listed
	} else {
		s.keptUntil = time.Time{}
	}
	return w.err
}

// close ends the taking of jobs, and returns the lists at which somebody of ours still waits. It may be called again.
func (s *slots) close() (attended []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping() {
		return nil
	}
	close(s.stop)
	for list := range s.attended {
		attended = append(attended, list)
	}
	return attended
}

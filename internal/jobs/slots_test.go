package jobs

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// newTestSlots has a clock that stands still until it is moved.
func newTestSlots(total int) (s *slots, pass func(time.Duration)) {
	s = newSlots(total, false)
	now := time.Now()
	s.now = func() time.Time { return now }
	return s, func(d time.Duration) { now = now.Add(d) }
}

func (s *slots) newClaim(id string) *claim {
	return &claim{id: id, msg: "msg-" + id, started: s.now(), obtained: s.now()}
}

// emptyPoll is a poll that found nothing.
func emptyPoll(s *slots) { s.polled(s.ask(), true, 1) }

// TestSlotsNext: what is there is begun, in the order in which it came; a worker polls unless it has just seen the queues empty.
func TestSlotsNext(t *testing.T) {
	s, pass := newTestSlots(2)
	if n := s.next(); n != (step{}) {
		t.Errorf("at the start: %+v, not a poll", n)
	}
	a := s.ask()
	first, second := s.newClaim("first"), s.newClaim("second")
	s.took(first)
	s.took(second)
	s.polled(a, false, 4)
	for _, want := range []*claim{first, second} {
		if n := s.next(); n.begin != want {
			t.Errorf("%+v, not %s", n, want.id)
		}
		if s.claimed(want.id) != want || s.claimed(want.id) != nil {
			t.Errorf("%s is not claimed once", want.id)
		}
	}
	if n := s.next(); n != (step{}) {
		t.Errorf("%+v, not a poll: there was more", n)
	}
	emptyPoll(s)
	if n := s.next(); n.wait != slowPoll+blockMargin {
		t.Errorf("%+v, not a wait: the queues are empty", n)
	}
	pass(slowPoll)
	if n := s.next(); n != (step{}) {
		t.Errorf("%+v, not a poll: the last was long ago", n)
	}
}

// TestSlotsKept: a worker waits no longer than what waits is kept from it, and polls then.
func TestSlotsKept(t *testing.T) {
	s, pass := newTestSlots(2)
	s.keep(s.ask(), 100*time.Millisecond)
	pass(30 * time.Millisecond)
	if n := s.next(); n.wait != 70*time.Millisecond {
		t.Errorf("%+v, not a wait of 70 ms", n)
	}
	pass(70 * time.Millisecond)
	if n := s.next(); n != (step{}) {
		t.Errorf("%+v, not a poll", n)
	}
	s.keep(s.ask(), time.Hour)
	if n := s.next(); n.wait != slowPoll {
		t.Errorf("%+v, longer than between two slow polls", n)
	}
	if err := s.endWait(wakeup{token: "list"}, false); err != nil {
		t.Error(err)
	}
	if n, token := s.next(), s.takeToken(); n != (step{}) || token != "list" {
		t.Errorf("%+v and the token %q, not a poll with the token", n, token)
	}
}

// TestSlotsAsk: a worker asks for twice as much as long as it got as much as it asked for, and never for more than it has slots.
func TestSlotsAsk(t *testing.T) {
	s, _ := newTestSlots(6)
	var asked []int
	for range 4 {
		a := s.ask()
		asked = append(asked, a.jobs)
		for range a.jobs {
			s.took(s.newClaim(fmt.Sprint(len(s.prefetched))))
		}
		s.polled(a, false, 2*a.jobs)
	}
	if !slices.Equal(asked, []int{1, 2, 3, 1}) { // with all slots taken asynq still has the one that it asks for
		t.Errorf("asked for %v", asked)
	}
	s, _ = newTestSlots(100)
	s.batch = 64
	if a := s.ask(); a.jobs != maxBatch || a.free != 100 {
		t.Errorf("%+v", a)
	}
	s.cluster, s.batch = true, 64
	if a := s.ask(); a.jobs != 1 {
		t.Errorf("%+v on a cluster", a)
	}
}

// TestSlotsDispatch: a dispatched job is taken while a slot is free, and spares the poll only while the worker is listed.
func TestSlotsDispatch(t *testing.T) {
	s, pass := newTestSlots(2)
	s.listenOn("channel")
	<-s.news
	emptyPoll(s)
	first := s.newClaim("first")
	if !s.arrive("channel", first) {
		t.Fatal("not taken, and two slots are free")
	}
	if n := s.next(); n.begin != first {
		t.Errorf("%+v", n)
	}
	if n := s.next(); n.wait == 0 {
		t.Errorf("%+v, not a wait: the worker is listed", n)
	}
	if !s.arrive("channel", s.newClaim("second")) {
		t.Error("not taken, and one slot is free")
	}
	bounced := s.newClaim("third")
	if s.arrive("channel", bounced) || !bounced.vacated {
		t.Error("taken, and no slot is free")
	}
	if a := s.ask(); a.free != 0 || a.arrived != 3 {
		t.Errorf("%+v, not no slot and three arrivals", a)
	}
	s.unlist()
	if n := s.next(); n.begin == nil {
		t.Errorf("%+v", n)
	}
	if n := s.next(); n != (step{}) {
		t.Errorf("%+v, not a poll: the worker is not listed", n)
	}
	// A slot that Redis is being told to be free is free.
	if s.finishes() != "channel" {
		t.Error("the worker is not to be listed")
	}
	if !s.arrive("channel", s.newClaim("fourth")) {
		t.Error("not taken, and a slot is about to be free")
	}
	s.finished(first, true, true)
	if !s.hasEnded("first") || s.hasEnded("first") {
		t.Error("the first has not ended once")
	}
	pass(slowPoll)
	if s.finishes() != "" {
		t.Error("the worker is to be listed without a poll")
	}
}

// TestSlotsLate: what has been long on its way is not taken, what has been here for long is given back.
func TestSlotsLate(t *testing.T) {
	s, pass := newTestSlots(2)
	s.listenOn("channel")
	old := s.newClaim("old")
	old.started = old.started.Add(-staleDelivery)
	if s.arrive("channel", old) {
		t.Error("taken after its time")
	}
	s.ahead = -time.Hour // Redis' clock is not ours
	behind := s.newClaim("behind")
	behind.started = behind.started.Add(-time.Hour)
	if !s.arrive("channel", behind) {
		t.Error("a difference of clocks is taken for a delay")
	}
	pass(staleDelivery + 1)
	if n := s.next(); n.giveBack != behind {
		t.Errorf("%+v", n)
	}
	if s.arrive("channel", nil) || s.arrived != 3 {
		t.Errorf("a message that is none: %d arrivals", s.arrived)
	}
}

// TestSlotsOnTheWay: a channel is given up when what Redis has dispatched on it does not come.
func TestSlotsOnTheWay(t *testing.T) {
	s, pass := newTestSlots(2)
	s.listenOn("channel")
	late := func() bool {
		select {
		case <-s.renew:
			return true
		default:
			return false
		}
	}
	s.onTheWay(s.now(), 1, 0)
	pass(blockMargin)
	s.onTheWay(s.now(), 1, 0)
	if late() {
		t.Error("given up while it may come")
	}
	s.arrive("channel", s.newClaim("x"))
	pass(time.Second)
	s.onTheWay(s.now(), 1, 0) // the poll began before it came
	pass(blockMargin + 1)
	s.onTheWay(s.now(), 1, 1)
	if late() {
		t.Error("given up though one has come")
	}
	pass(blockMargin + 1)
	s.onTheWay(s.now(), 1, 1)
	if !late() {
		t.Error("not given up")
	}
}

// TestSlotsWait: one wake-up goes to one wait, and who waits no more gives it back.
func TestSlotsWait(t *testing.T) {
	s, _ := newTestSlots(1)
	lists := []string{"a", "b"}
	emptyPoll(s)
	if got := s.beginWait(lists); !slices.Equal(got, lists) {
		t.Errorf("unattended: %v", got)
	}
	if got := s.beginWait(lists); got != nil {
		t.Errorf("attended twice: %v", got)
	}
	if !s.wake("a", wakeup{token: "x"}) {
		t.Error("a token is not wanted by who waits for it")
	}
	if err := s.endWait(wakeup{}, true); err != nil || s.takeToken() != "x" {
		t.Errorf("the token of the same moment is lost: %v", err)
	}
	if s.wake("b", wakeup{token: "y"}) {
		t.Error("a token is wanted by nobody")
	}
	if n := s.next(); n != (step{}) {
		t.Errorf("%+v, not a poll", n)
	}
	emptyPoll(s)
	if got := s.beginWait(lists); !slices.Equal(got, lists) {
		t.Errorf("unattended: %v", got)
	}
	away := errors.New("away")
	if err := s.endWait(wakeup{err: away}, false); !errors.Is(err, away) {
		t.Errorf("%v", err)
	}
	if attended := s.close(); len(attended) != 2 || s.close() != nil || !s.stopping() {
		t.Errorf("attended at the stop: %v", attended)
	}
	s.beginWait(lists)
	if s.wake("a", wakeup{token: "z"}) {
		t.Error("a token is wanted after the stop")
	}
}

// TestSlotsNews: news spare the poll while the worker is listed, and a poll comes when it is not.
func TestSlotsNews(t *testing.T) {
	for _, listed := range []bool{true, false} {
		s, _ := newTestSlots(1)
		s.listenOn("channel")
		emptyPoll(s)
		s.beginWait([]string{"a"})
		if !listed {
			s.unlist()
		}
		if err := s.endWait(wakeup{}, true); err != nil {
			t.Error(err)
		}
		if n := s.next(); (n.wait > 0) != listed {
			t.Errorf("listed %t: %+v", listed, n)
		}
	}
}

// TestSlotsStop: what has not begun is handed out once, and nothing is taken any more.
func TestSlotsStop(t *testing.T) {
	s, _ := newTestSlots(3)
	s.listenOn("channel")
	s.took(s.newClaim("prefetched"))
	s.arrive("channel", s.newClaim("dispatched"))
	s.close()
	if s.arrive("channel", s.newClaim("late")) {
		t.Error("taken after the stop")
	}
	if a := s.ask(); a.channel != "" {
		t.Error("the worker offers itself after the stop")
	}
	if s.finishes() != "" {
		t.Error("the worker is to be listed after the stop")
	}
	if got := s.unbegun(); len(got) != 2 || got[0].id != "prefetched" || got[1].id != "dispatched" || s.unbegun() != nil {
		t.Errorf("%v", got)
	}
}

// TestSlotsCount: whatever comes in whichever order, no more jobs have slots than there are, and all slots are free in the end.
func TestSlotsCount(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 0))
		total := 1 + r.IntN(4)
		s, pass := newTestSlots(total)
		s.listenOn("channel")
		var running []*claim
		for i := range 300 {
			switch r.IntN(5) {
			case 0:
				s.arrive("channel", s.newClaim(fmt.Sprint(i)))
			case 1: // asynq asks only while it has a slot of its own
				if len(running) == total {
					continue
				}
				if n := s.next(); n.begin != nil {
					running = append(running, s.claimed(n.begin.id))
				} else if n.giveBack != nil {
					s.vacate(n.giveBack)
				} else if n.wait == 0 {
					if a := s.ask(); a.free > 0 {
						s.took(s.newClaim(fmt.Sprint(i)))
						s.polled(a, r.IntN(2) == 0, 2)
					}
				}
			case 2, 3:
				if len(running) > 0 {
					c := running[0]
					running = running[1:]
					s.finishes()
					s.finished(c, true, r.IntN(2) == 0)
					s.vacate(c)
				}
			case 4:
				pass(time.Second)
			}
			if s.busy < 0 || s.busy > total {
				t.Fatalf("seed %d, step %d: %d of %d slots are busy", seed, i, s.busy, total)
			}
		}
		for _, c := range append(running, s.unbegun()...) {
			s.vacate(c)
		}
		if s.busy != 0 {
			t.Fatalf("seed %d: %d slots are busy, and no job is left", seed, s.busy)
		}
	}
}

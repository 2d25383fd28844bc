package jobs

import (
	"context"
	"strconv"
	"sync"
	"time"
)

// Output is what a run has written so far, as its Runner shows it. Each returns the text behind the first from bytes, and how many bytes it
// was made of; together the pieces are what the Outcome will say.
type Output interface {
	Stdout(from int) (text string, bytes int)
	Stderr(from int) (text string, bytes int)
	// Watch begins to tell of changes.
	Watch() <-chan struct{}
}

const (
	// liveEvery is the least time between two writes of what a watched run has written: what is printed in many pieces goes together.
	liveEvery = 10 * time.Millisecond
	// liveKept is how long it is kept in Redis beyond the longest run; from the job's end on everything is in its document.
	liveKept = 10 * time.Minute
	// liveLast is how long it is kept once the run has ended.
	liveLast = 30 * time.Second
)

// liveOutput is the part of a run that those see who watch: a goroutine writes it to Redis, once somebody does. Unwatched it is a few fields.
type liveOutput struct {
	handler *handler

	mu      sync.Mutex
	output  Output         // of the run, once it has begun
	begun   chan struct{}  // told of a new output
	cases   []*CaseOutcome // those that have ended
	ended   chan struct{}  // closed at the end of the run, where somebody has watched
	written chan struct{}  // closed when everything has been written
}

// outputBegan is the Runner's word that there is something to watch.
func (r *activeRun) outputBegan(o Output) {
	r.live.mu.Lock()
	defer r.live.mu.Unlock()
	r.live.output = o
	notify(r.live.begun) // which is nil, and told nothing, while nobody watches
}

// caseEnded adds a case that those who watch are to see.
func (r *activeRun) caseEnded(c *CaseOutcome) {
	r.live.mu.Lock()
	defer r.live.mu.Unlock()
	r.live.cases = append(r.live.cases, c)
	notify(r.live.begun)
}

// watch begins to write down what the run writes. It may be called at any time and more than once.
func (r *activeRun) watch() {
	l := &r.live
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.begun != nil {
		return
	}
	l.begun, l.ended, l.written = make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	l.handler.goroutines.Go(func() {
		defer close(l.written)
		r.stream()
	})
	notify(l.begun)
}

// endLive is the end of the run: what it has written is in its document.
func (r *activeRun) endLive() {
	r.live.mu.Lock()
	watched := r.live.begun != nil
	r.live.mu.Unlock()
	if watched {
		close(r.live.ended)
		<-r.live.written
	}
}

// stream writes until the run's end.
func (r *activeRun) stream() {
	l := &r.live
	s := streamed{run: r}
	var changed <-chan struct{}
	var output Output
	for {
		select {
		case <-l.begun:
		case <-changed:
		case <-l.ended:
			s.expire()
			return
		}
		l.mu.Lock()
		if l.output != output {
			output = l.output
			changed = output.Watch()
		}
		cases := l.cases
		l.mu.Unlock()
		if !s.write(output, cases) {
			notify(l.begun) // once more, what Redis has not taken
		}
		select {
		case <-time.After(liveEvery):
		case <-l.ended:
		}
	}
}

// streamed is how much of a run has been written: bytes of the program's, bytes of text, cases.
type streamed struct {
	run          *activeRun
	fromOut, out int
	fromErr, err int
	cases        int
	told         bool // that the run has begun
}

func (s *streamed) keys() []string {
	c := s.run.claim
	l, _ := laneOf(c.id)
	return liveKeys(l, c.id, c.attempt)
}

// liveKeys are those of a run: its stdout, stderr, cases, and the channel of the job.
func liveKeys(l lane, id string, attempt int) []string {
	n := strconv.Itoa(attempt) + ":"
	return []string{l.live(id, n+"out"), l.live(id, n+"err"), l.live(id, n+"cases"), l.live(id, "told")}
}

// write brings Redis up to date; false where that must be tried again.
func (s *streamed) write(o Output, cases []*CaseOutcome) bool {
	var out, err string
	var bytesOut, bytesErr int
	if o != nil {
		out, bytesOut = o.Stdout(s.fromOut)
		err, bytesErr = o.Stderr(s.fromErr)
	}
	more := cases[s.cases:]
	if s.told && out == "" && err == "" && len(more) == 0 {
		return true
	}
	h := s.run.live.handler
	args := []any{int((liveKept + h.timeout + h.casesTimeout).Seconds()), s.out, s.err, out, err, s.cases}
	for _, c := range more {
		text, err := encode(c)
		if err != nil {
			text = []byte("null") // the job's end will say so
		}
		args = append(args, text)
	}
	ctx, cancel := context.WithTimeout(context.Background(), answerWithin)
	defer cancel()
	if e := streamScript.Run(ctx, h.broker.UniversalClient, s.keys(), args...).Err(); e != nil {
		h.log.Warn("live output not written", "job", s.run.claim.id, "error", e)
		return false
	}
	s.fromOut, s.out = s.fromOut+bytesOut, s.out+len(out)
	s.fromErr, s.err = s.fromErr+bytesErr, s.err+len(err)
	s.cases, s.told = len(cases), true
	return true
}

// expire lets go of what is in the document now.
func (s *streamed) expire() {
	ctx, cancel := context.WithTimeout(context.Background(), answerWithin)
	defer cancel()
	pipe := s.run.live.handler.broker.Pipeline()
	for _, key := range s.keys()[:3] {
		pipe.Expire(ctx, key, liveLast)
	}
	_, _ = pipe.Exec(ctx) // they expire anyhow
}

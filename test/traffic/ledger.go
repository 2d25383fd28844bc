// Package traffic sends a service steady load over HTTP, as its users do, and keeps account of every job: which were accepted,
// how each of them ended, how often it ran, and whether anybody was ever told something else.
//
// It is for the suites that break things meanwhile: calls that fail are part of the account, not an error.
package traffic

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// turn counts, for everybody at once.
type turn struct{ n atomic.Int64 }

func (t *turn) next() int { return int(t.n.Add(1) - 1) }

// Ledger is the account of one load. Its fields are set before Load and left alone after it.
type Ledger struct {
	Client *Client
	// Pause is what each client waits between two jobs.
	Pause time.Duration
	// Lasts is how long a script sleeps, for every third job; the others end at once.
	Lasts time.Duration

	// Others are jobs of this service that are not of this load.
	Others []string

	numbers  turn
	mu       sync.Mutex
	accepted []*entry
	refused  int // answered, and not accepted
	unheard  int // no answer came back, and there was no key to ask again with
	resent   int // answers that got lost and were asked for again
	wrong    []string
}

// entry is one accepted job.
type entry struct {
	n  int // what the job was given, which its result must show
	id string
	// told is what has been said of its end, each different answer once, with who said it.
	told []end
	job  *Job // as it was at last
}

// end is a final state, as far as every answer that tells of it must agree.
type end struct{ status, result, by string }

// script proves by its result which job it was, and by its output that it was one run.
const script = "import time\n\n\ndef main(n, lasts_ms):\n    print(n)\n    time.sleep(lasts_ms / 1000)\n    return {'n': n, 'square': n * n}\n"

func (l *Ledger) request(n int) Request {
	lasts := 0
	if n%3 == 2 {
		lasts = int(l.Lasts.Milliseconds())
	}
	return Request{Script: script, Args: []int{n, lasts}}
}

func result(n int) string { return fmt.Sprintf(`{"n":%d,"square":%d}`, n, n*n) }

// Load sends jobs from so many clients until ctx ends and each of them has had its last answer. The ways to send a job take
// turns: executed and queued, each with a key that lets a lost answer be asked for again, and without.
func (l *Ledger) Load(ctx context.Context, clients int) {
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for ctx.Err() == nil {
				l.one(l.numbers.next())
				pause(ctx, l.Pause)
			}
		})
	}
	wg.Wait()
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// patience is how long one call may take. /execute waits for 30 s by itself.
const patience = 40 * time.Second

// resends is how often a lost answer is asked for again: until whatever was killed is back.
const resends = 100

// one sends one job and sees, for every other one that was queued, to its end at once.
func (l *Ledger) one(n int) {
	path, header := "/jobs", []string(nil)
	if n%2 == 0 {
		path = "/execute"
	}
	if n/2%2 == 0 {
		header = []string{"Idempotency-Key", "job-" + strconv.Itoa(n)}
	}
	var answer *Answer
	for try := 0; ; try++ {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		a, err := l.Client.Do(ctx, http.MethodPost, path, l.request(n), header...)
		cancel()
		if answer = a; err == nil {
			break
		}
		l.mu.Lock()
		if header == nil || try == resends {
			l.unheard++
			l.mu.Unlock()
			return
		}
		l.resent++
		l.mu.Unlock()
		pause(context.Background(), 100*time.Millisecond)
	}
	e := l.enter(n, answer)
	if e != nil && path == "/jobs" && n%4 == 1 {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if j, err := l.Client.Get(ctx, e.id, 5*time.Second); err == nil {
			l.heard(e, j, "GET")
		}
	}
}

// Works sends jobs until one of them has been accepted and done, or ctx ends, and reports whether that was so.
func (l *Ledger) Works(ctx context.Context) bool {
	for ; ctx.Err() == nil; pause(ctx, 50*time.Millisecond) {
		n := l.numbers.next()
		a, err := l.Client.Do(ctx, http.MethodPost, "/jobs", Request{Script: script, Args: []int{n, 0}})
		if err != nil {
			l.mu.Lock()
			l.unheard++
			l.mu.Unlock()
			continue
		}
		for e := l.enter(n, a); e != nil && ctx.Err() == nil; pause(ctx, 50*time.Millisecond) {
			j, err := l.Client.Get(ctx, e.id, time.Second)
			if err != nil {
				continue
			}
			if l.heard(e, j, "GET"); j.Final() {
				return j.Status == "completed"
			}
		}
	}
	return false
}

// enter books the answer to a submission; nil when it was refused.
func (l *Ledger) enter(n int, a *Answer) *entry {
	id := a.Header.Get("X-Job-Id") // set as soon as a job is accepted, whatever happens to the call afterwards
	if id == "" {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.refused++
		if a.Status != http.StatusServiceUnavailable && a.Status != http.StatusTooManyRequests {
			l.wrong = append(l.wrong, fmt.Sprintf("job number %d was refused with %d %s", n, a.Status, a.Body))
		}
		return nil
	}
	e := &entry{n: n, id: id}
	l.mu.Lock()
	l.accepted = append(l.accepted, e)
	l.mu.Unlock()
	switch a.Status {
	case http.StatusOK:
		var said struct {
			Status string   `json:"status"` // of a job, which an earlier call may have brought to its end
			Result jsonText `json:"result"`
		}
		if err := a.decode(&said, http.StatusOK); err != nil {
			l.complain("job %s: %v", id, err)
		}
		if said.Status == "" {
			said.Status = "completed"
		}
		l.tell(e, end{said.Status, string(said.Result), "POST"})
	case http.StatusInternalServerError:
		l.tell(e, end{"failed", "null", "POST"})
	case http.StatusAccepted, http.StatusServiceUnavailable:
	default:
		l.complain("job %s was answered with %d %s", id, a.Status, a.Body)
	}
	return e
}

// jsonText keeps JSON as it came.
type jsonText string

func (t *jsonText) UnmarshalJSON(b []byte) error {
	*t = jsonText(b)
	return nil
}

func (l *Ledger) heard(e *entry, j *Job, by string) {
	if j.Final() {
		l.tell(e, end{j.Status, string(j.Result), by})
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	e.job = j
}

// tell books what somebody was told of a job's end.
func (l *Ledger) tell(e *entry, told end) {
	l.mu.Lock()
	defer l.mu.Unlock()
	same := func(o end) bool { return o.status == told.status && o.result == told.result }
	if !slices.ContainsFunc(e.told, same) {
		e.told = append(e.told, told)
	}
}

func (l *Ledger) complain(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wrong = append(l.wrong, fmt.Sprintf(format, args...))
}

// Accepted is how many jobs have been accepted so far.
func (l *Ledger) Accepted() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.accepted)
}

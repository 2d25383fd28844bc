package traffic

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Account is what became of a load.
type Account struct {
	// Accepted jobs have an id that a client was given. Unheard ones may have been accepted, but the answer was lost.
	Accepted, Refused, Unheard, Resent int
	// Every accepted job is one of these.
	Completed, Failed, Lost int
	// Twice and More ran so often; Contradictions have been said to end in two ways.
	Twice, More, Contradictions int
	// Strays are jobs that exist although no client was given their id: those whose answer was lost.
	Strays int
	// Slowest is the longest time from a job's acceptance to its end, SlowestTwice that of those that ran more than once.
	Slowest, SlowestTwice time.Duration
}

func (a Account) String() string {
	return fmt.Sprintf("accepted %d, completed %d, failed (crashed) %d, run twice %d, run more often %d, lost %d, two final states %d;"+
		" refused %d, answers lost and asked for again %d, answers lost for good %d (of which accepted all the same %d);"+
		" slowest recovery %.1fs (a job that lost its worker, from acceptance to end), slowest job %.1fs",
		a.Accepted, a.Completed, a.Failed, a.Twice, a.More, a.Lost, a.Contradictions, a.Refused, a.Resent, a.Unheard, a.Strays,
		a.SlowestTwice.Seconds(), a.Slowest.Seconds())
}

// Settle waits until every accepted job is final, or within is over, and closes the account. It looks at every job twice, and at
// the list of all jobs. The test fails for each job that is lost, ended in two ways, has somebody else's result, or failed
// without having lost two workers.
func (l *Ledger) Settle(t testing.TB, within time.Duration) Account {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	entries := l.accepted
	l.each(entries, func(e *entry) {
		for ctx.Err() == nil && (e.job == nil || !e.job.Final()) {
			j, err := l.Client.Get(ctx, e.id, 2*time.Second)
			if err != nil {
				pause(ctx, 50*time.Millisecond)
				continue
			}
			l.heard(e, j, "settling")
		}
	})
	strays := l.strays(t, entries)
	// Once more, after everything: no final state may have changed.
	l.each(entries, func(e *entry) {
		again, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		j, err := l.Client.Get(again, e.id, 0)
		for err != nil && again.Err() == nil {
			// A Redis that has just changed places is found again after a moment, and the answer until then is 503.
			pause(again, 50*time.Millisecond)
			j, err = l.Client.Get(again, e.id, 0)
		}
		if err != nil {
			l.complain("job %s cannot be read: %v", e.id, err)
			return
		}
		l.heard(e, j, "the last look")
	})
	a := l.close(entries)
	a.Strays = strays
	for _, w := range l.wrong {
		t.Error(w)
	}
	return a
}

func (l *Ledger) each(entries []*entry, f func(*entry)) {
	queue := make(chan *entry)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for e := range queue {
				f(e)
			}
		})
	}
	for _, e := range entries {
		queue <- e
	}
	close(queue)
	wg.Wait()
}

// strays looks at the list of all jobs: each accepted one stands there once, and those that nobody was told of are final, too.
func (l *Ledger) strays(t testing.TB, entries []*entry) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ids, err := l.Client.List(ctx)
	if err != nil {
		t.Errorf("list: %v", err)
		return 0
	}
	listed := map[string]int{}
	for _, id := range ids {
		listed[id]++
	}
	for _, id := range l.Others {
		delete(listed, id)
	}
	numbers := map[int]string{}
	for _, e := range entries {
		if n := listed[e.id]; n != 1 {
			l.complain("job %s is listed %d times", e.id, n)
		}
		delete(listed, e.id)
		if other, double := numbers[e.n]; double && other != e.id {
			l.complain("job number %d has two ids, %s and %s", e.n, e.id, other)
		}
		numbers[e.n] = e.id
	}
	for id := range listed {
		j, err := l.Client.Get(ctx, id, 10*time.Second)
		switch {
		case err != nil:
			l.complain("stray job %s: %v", id, err)
		case !j.Final():
			l.complain("stray job %s is still %s", id, j.Status)
		case j.Status == "completed":
			n, err := strconv.Atoi(strings.TrimSpace(j.Stdout))
			if err != nil || compact(j.Result) != result(n) {
				l.complain("stray job %s: stdout %q, result %s", id, j.Stdout, j.Result)
			}
			if other, double := numbers[n]; double {
				l.complain("job number %d ran as %s and as %s", n, id, other)
			}
			numbers[n] = id
		}
	}
	return len(listed)
}

func (l *Ledger) close(entries []*entry) Account {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := Account{Accepted: len(entries), Refused: l.refused, Unheard: l.unheard, Resent: l.resent}
	for _, e := range entries {
		if len(e.told) > 1 {
			a.Contradictions++
			l.wrong = append(l.wrong, fmt.Sprintf("job %s ended in two ways: %+v", e.id, e.told))
		}
		if e.job == nil || !e.job.Final() {
			a.Lost++
			l.wrong = append(l.wrong, fmt.Sprintf("job %s is lost: %+v", e.id, e.job))
			continue
		}
		a.add(e, func(why string) { l.wrong = append(l.wrong, fmt.Sprintf("job %s %s: %+v", e.id, why, e.job)) })
	}
	return a
}

// add counts a job that has ended.
func (a *Account) add(e *entry, wrong func(string)) {
	j := e.job
	switch {
	case j.Status == "completed":
		a.Completed++
		if compact(j.Result) != result(e.n) || j.Stdout != strconv.Itoa(e.n)+"\n" {
			wrong("has not its own result")
		}
	case j.Status == "failed" && j.Error != nil && j.Error.Code == "crashed" && j.Attempts == 2:
		a.Failed++
	default:
		wrong("ended badly")
	}
	took := j.FinishedAt.Sub(j.CreatedAt)
	a.Slowest = max(a.Slowest, took)
	if j.Attempts > 1 {
		a.SlowestTwice = max(a.SlowestTwice, took)
	}
	switch {
	case j.Attempts == 2:
		a.Twice++
	case j.Attempts > 2:
		a.More++
	}
}

func compact(raw []byte) string { return strings.ReplaceAll(string(raw), " ", "") }

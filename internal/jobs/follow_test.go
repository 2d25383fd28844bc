package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
)

// printing is a run that prints when it is told to.
type printing struct {
	mu       sync.Mutex
	out, err string
	changed  chan struct{}
}

func (p *printing) Stdout(from int) (string, int) { return p.part(&p.out, from) }
func (p *printing) Stderr(from int) (string, int) { return p.part(&p.err, from) }
func (p *printing) Watch() <-chan struct{} {
	notify(p.changed)
	return p.changed
}

func (p *printing) part(s *string, from int) (string, int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return (*s)[from:], len(*s) - from
}

func (p *printing) print(out, err string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out, p.err = p.out+out, p.err+err
	notify(p.changed)
}

// errCut is how a test's reader breaks off.
var errCut = errors.New("cut")

// reader keeps what it is told, and breaks off now and then.
type reader struct {
	at       Position
	out, err strings.Builder
	cases    []string
	said     []string
	left     int // events until it breaks off
}

func (r *reader) follower() Follower {
	event := func(p Position) error {
		r.at = p
		if r.left--; r.left == 0 {
			return errCut
		}
		return nil
	}
	return Follower{
		Status: func(p Position, j *Job) error {
			if p.Attempt != r.at.Attempt {
				r.out.Reset()
				r.err.Reset()
				r.cases = nil
			}
			r.said = append(r.said, fmt.Sprintf("%s %d", j.Status, p.Attempt))
			return event(p)
		},
		Stdout: func(p Position, s string) error { r.out.WriteString(s); return event(p) },
		Stderr: func(p Position, s string) error { r.err.WriteString(s); return event(p) },
		Case:   func(p Position, c json.RawMessage) error { r.cases = append(r.cases, string(c)); return event(p) },
		Idle:   func() error { return nil },
		Every:  time.Minute,
	}
}

// Readers that break off all the time, and go on at another API, have every byte once and in order.
func TestFollowCutAtRandom(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	queues := []*Queue{newTestQueue(t, r.client(), QueueOptions{}), newTestQueue(t, r.client(), QueueOptions{})}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	serve(t, r.client(), runnerFunc(func(ctx context.Context, request *Request) (*Outcome, error) {
		random := rand.New(rand.NewPCG(seed, 2))
		p := &printing{changed: make(chan struct{}, 1)}
		request.Began(p)
		for i := range 300 {
			p.print(fmt.Sprintf("é%d\n", i), strings.Repeat("x", random.IntN(3)*20000))
			if random.IntN(10) == 0 {
				time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond) // the program's own pace
			}
		}
		return &Outcome{Result: raw("1"), Stdout: p.out, Stderr: p.err}, nil
	}), ServerOptions{Concurrency: 1})
	j := submit(t, queues[0], "x", SubmitOptions{})
	var readers sync.WaitGroup
	for n := range 3 {
		readers.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(n)))
			got, cuts := &reader{}, 0
			for {
				got.left = 1 + random.IntN(6)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				ended, err := queues[random.IntN(2)].Follow(ctx, j.ID, got.at, got.follower())
				cancel()
				if errors.Is(err, errCut) {
					cuts++
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				if ended.Stdout != got.out.String() || ended.Stderr != got.err.String() {
					t.Errorf("after %d cuts: %d and %d bytes were told, and it is %d and %d", cuts, got.out.Len(), got.err.Len(), len(ended.Stdout), len(ended.Stderr))
				}
				if cuts < 3 {
					t.Errorf("cut only %d times", cuts)
				}
				return
			}
		})
	}
	readers.Wait()
}

// What is printed is seen while the run goes on; a reader that comes when it has ended has it out of the document.
func TestFollowLive(t *testing.T) {
	t.Parallel()
	rdb := startRedis(t).client()
	q := newTestQueue(t, rdb, QueueOptions{})
	goOn := make(chan struct{})
	serve(t, rdb, runnerFunc(func(ctx context.Context, request *Request) (*Outcome, error) {
		p := &printing{changed: make(chan struct{}, 1)}
		if request.Began != nil {
			request.Began(p)
		}
		p.print("first\n", "")
		<-goOn
		p.print("second\n", "bad\n")
		return &Outcome{Result: raw("1"), Stdout: p.out, Stderr: p.err}, nil
	}), ServerOptions{Concurrency: 1})
	j := submit(t, q, "x", SubmitOptions{})
	got := &reader{}
	f := got.follower()
	stdout := f.Stdout
	f.Stdout = func(p Position, s string) error {
		if s == "first\n" {
			close(goOn) // which the run waits for: it has been seen before the end
		}
		return stdout(p, s)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ended, err := q.Follow(ctx, j.ID, Position{}, f)
	if err != nil || ended.Status != Completed || got.out.String() != "first\nsecond\n" || got.err.String() != "bad\n" {
		t.Fatalf("%+v, %v: %q %q", ended, err, got.out.String(), got.err.String())
	}
	late := &reader{}
	if _, err := q.Follow(ctx, j.ID, Position{}, late.follower()); err != nil || late.out.String() != "first\nsecond\n" || fmt.Sprint(late.said) != "[running 1]" {
		t.Errorf("%v: %q, %q", err, late.out.String(), late.said)
	}
	if _, err := q.Follow(ctx, strings.Repeat("0", 36), Position{}, late.follower()); !errors.Is(err, ErrNotFound) {
		t.Errorf("no such job: %v", err)
	}
	// A canceled one that never ran has an end and nothing else.
	stopped, gone := newTestQueue(t, startRedis(t).client(), QueueOptions{}), &reader{}
	j = submit(t, stopped, "x", SubmitOptions{})
	go stopped.Cancel(ctx, j.ID)
	if ended, err := stopped.Follow(ctx, j.ID, Position{}, gone.follower()); err != nil || ended.Status != Canceled || gone.out.Len() > 0 {
		t.Errorf("%+v, %v", ended, err)
	}
}

// Cases are told one by one, also to who comes late.
func TestFollowCases(t *testing.T) {
	t.Parallel()
	rdb := startRedis(t).client()
	q := newTestQueue(t, rdb, QueueOptions{})
	goOn := make(chan struct{})
	serve(t, rdb, runnerFunc(func(ctx context.Context, request *Request) (*Outcome, error) {
		if request.Stdin == "wait" {
			<-goOn
		}
		return &Outcome{Result: raw("1"), Stdout: request.Stdin}, nil
	}), ServerOptions{Concurrency: 1})
	j := submitCases(t, q, &Request{Cases: []Case{{Name: "a"}, {Name: "b", Stdin: textp("wait")}, {Name: "c"}}})
	got := &reader{}
	f := got.follower()
	told := f.Case
	f.Case = func(p Position, c json.RawMessage) error {
		if len(got.cases) == 0 {
			close(goOn)
		}
		return told(p, c)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, f := range []Follower{f, (&reader{}).follower()} {
		ended, err := q.Follow(ctx, j.ID, Position{}, f)
		if err != nil || len(ended.Cases) != 3 {
			t.Fatalf("%+v, %v", ended, err)
		}
	}
	var names []string
	for _, text := range got.cases {
		var c CaseOutcome
		if err := json.Unmarshal([]byte(text), &c); err != nil {
			t.Fatal(err)
		}
		names = append(names, c.Name)
	}
	if fmt.Sprint(names) != "[a b c]" {
		t.Errorf("%v", names)
	}
}

// A job that is run again is told anew, from its first byte.
func TestFollowRunAgain(t *testing.T) {
	t.Parallel()
	rdb := startRedis(t).client()
	q := newTestQueue(t, rdb, QueueOptions{})
	attempts := make(chan int, 2)
	serve(t, rdb, runnerFunc(func(ctx context.Context, request *Request) (*Outcome, error) {
		p := &printing{changed: make(chan struct{}, 1)}
		request.Began(p)
		attempts <- 1
		if len(attempts) == 1 {
			p.print("from the first run\n", "")
			<-ctx.Done()
			return nil, ctx.Err()
		}
		p.print("from the second\n", "")
		return &Outcome{Result: raw("1"), Stdout: p.out}, nil
	}), ServerOptions{Concurrency: 2}) // the first run notices late that its lease is over
	j := submit(t, q, "x", SubmitOptions{})
	got := &reader{}
	f := got.follower()
	stdout := f.Stdout
	f.Stdout = func(p Position, s string) error {
		if p.Attempt == 1 {
			expireLeases(t, rdb, q.layout)
		}
		return stdout(p, s)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	ended, err := q.Follow(ctx, j.ID, Position{}, f)
	if err != nil || ended.Attempts != 2 || got.out.String() != "from the second\n" {
		t.Errorf("%+v, %v: %q %q", ended, err, got.out.String(), got.said)
	}
}

// A job that nobody watches costs Redis nothing more.
func TestUnwatchedCostsNothing(t *testing.T) {
	t.Parallel()
	rdb := startRedis(t).client()
	q := newTestQueue(t, rdb, QueueOptions{})
	serve(t, rdb, runnerFunc(func(ctx context.Context, request *Request) (*Outcome, error) {
		p := &printing{changed: make(chan struct{}, 1)}
		request.Began(p)
		p.print("x", "y")
		return &Outcome{Result: raw("1"), Stdout: p.out}, nil
	}), ServerOptions{Concurrency: 1})
	for range 5 {
		wait(t, q, submit(t, q, "x", SubmitOptions{Reply: true}).ID)
	}
	for name, n := range calls(t, rdb) {
		if strings.Contains(name, "append") || strings.Contains(name, "rpush") && n > 5 || strings.Contains(name, "getrange") {
			t.Errorf("%d times %s", n, name)
		}
	}
}

func TestParsePosition(t *testing.T) {
	want := Position{1, 2, 3, 4}
	if p, ok := ParsePosition(want.String()); !ok || p != want {
		t.Errorf("%+v", p)
	}
	for _, s := range []string{"", "1", "1-2-3", "1-2-3-4-5", "a-b-c-d", "1--2-3-4", "-1-2-3-4", "1-2-3-99999999999999999999"} {
		if p, ok := ParsePosition(s); ok {
			t.Errorf("%q is %+v", s, p)
		}
	}
}

package jobs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

const (
	// bellPoll is the net beneath the bells: a waiter whose bell was lost looks for itself.
	bellPoll = time.Second
	// unclaimed is how long a bell is kept for somebody who said that he would wait and has not come.
	unclaimed = time.Minute
	idLength  = 36
)

// bells tell this process which jobs have ended. There is one channel per process; its name stands in the job's record, and
// the script that writes the final state publishes the id on it, with the document when that is small. The record is the
// truth, the message only saves looking: it may get lost, and then bellPoll finds it.
type bells struct {
	channel string
	rdb     redis.UniversalClient

	mu      sync.Mutex
	waiting map[string]*bell

	cancel context.CancelFunc
	ctx    context.Context
	done   chan struct{}
}

// bell is what is awaited for one job.
type bell struct {
	client  string
	doc     string
	rung    chan struct{} // closed at the end of the job
	look    chan struct{} // one token: something may have been missed
	waiters int
	since   time.Time
}

func newBells(rdb redis.UniversalClient) *bells {
	ctx, cancel := context.WithCancel(context.Background())
	b := &bells{
		channel: "safepy:reply:" + uuid.NewString(), rdb: rdb,
		waiting: map[string]*bell{}, ctx: ctx, cancel: cancel, done: make(chan struct{}),
	}
	go b.run()
	return b
}

func (b *bells) close() {
	b.cancel()
	<-b.done
}

// run listens. go-redis connects again by itself and says so; whatever was rung in between is looked for.
func (b *bells) run() {
	defer close(b.done)
	sub := b.rdb.Subscribe(b.ctx, b.channel)
	defer sub.Close()
	messages := sub.ChannelWithSubscriptions(redis.WithChannelSize(1024))
	tidy := time.NewTicker(unclaimed / 2)
	defer tidy.Stop()
	for {
		select {
		case <-b.ctx.Done():
			return
		case <-tidy.C:
			b.tidy()
		case m, ok := <-messages:
			if !ok {
				return
			}
			switch m := m.(type) {
			case *redis.Message:
				if len(m.Payload) >= idLength {
					b.ring(m.Payload[:idLength], m.Payload[idLength:])
				}
			case *redis.Subscription:
				b.lookAll()
			}
		}
	}
}

// expect makes a bell before the job is sent, so that it cannot ring unheard.
func (b *bells) expect(id, client string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := b.waiting[id]
	if w != nil {
		select {
		case <-w.rung: // of an earlier job under the same key, which nobody came for
		default:
			return
		}
	}
	b.waiting[id] = newBell(client)
}

func newBell(client string) *bell {
	return &bell{client: client, rung: make(chan struct{}), look: make(chan struct{}, 1), since: time.Now()}
}

func (b *bells) forget(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if w := b.waiting[id]; w != nil && w.waiters == 0 {
		delete(b.waiting, id)
	}
}

func (b *bells) ring(id, doc string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := b.waiting[id]
	if w == nil {
		return
	}
	select {
	case <-w.rung: // twice
	default:
		w.doc = doc
		close(w.rung)
	}
}

func (b *bells) lookAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, w := range b.waiting {
		select {
		case w.look <- struct{}{}:
		default:
		}
	}
}

func (b *bells) tidy() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, w := range b.waiting {
		if w.waiters == 0 && time.Since(w.since) > unclaimed {
			delete(b.waiting, id)
		}
	}
}

// take returns the bell of a job, and whether it was expected, that is whether the job's record knows of it.
func (b *bells) take(id string) (w *bell, expected bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	w, expected = b.waiting[id]
	if !expected {
		w = newBell("")
		b.waiting[id] = w
	}
	w.waiters++
	return w, expected
}

func (b *bells) drop(id string, w *bell) {
	b.mu.Lock()
	defer b.mu.Unlock()
	w.waiters--
	if w.waiters == 0 && b.waiting[id] == w {
		delete(b.waiting, id)
	}
}

// Wait returns the job as soon as it is final, or as it is when max is over. A Redis that goes away meanwhile is sat out:
// only when it is away at the end is that ErrUnavailable. Otherwise the errors are Get's.
func (q *Queue) Wait(ctx context.Context, id string, max time.Duration) (*Job, error) {
	l, ok := laneOf(id)
	if !ok {
		return nil, ErrNotFound
	}
	w, expected := q.bells.take(id)
	defer q.bells.drop(id, w)
	if !expected {
		job, err := q.watch(ctx, l, id)
		if err != nil || job.Status.Final() || max <= 0 {
			return job, err
		}
	}
	end := time.NewTimer(max)
	defer end.Stop()
	poll := time.NewTicker(bellPoll)
	defer poll.Stop()
	for {
		select {
		case <-w.rung:
			if w.doc != "" {
				if job := parseDocument(w.doc, id, q.bells.clientOf(w)); job != nil {
					return job, nil
				}
			}
			return q.Get(ctx, id)
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-q.bells.ctx.Done():
			return nil, fmt.Errorf("wait: %w: closed", ErrUnavailable)
		case <-end.C:
			return q.Get(ctx, id)
		case <-poll.C:
		case <-w.look:
		}
		job, err := q.Get(ctx, id)
		if errors.Is(err, ErrNotFound) || err == nil && job.Status.Final() {
			return job, err
		}
	}
}

// watch asks for a bell in a job that was submitted elsewhere or without Reply, and returns the job as it is now.
func (q *Queue) watch(ctx context.Context, l lane, id string) (*Job, error) {
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	args := []any{q.bells.channel}
	for _, f := range recordFields {
		args = append(args, f)
	}
	values, err := watchScript.Run(ctx, q.rdb, []string{l.record(id)}, args...).Slice()
	if err != nil && !foreign(err) {
		return nil, unavailable(caller, "wait", err)
	}
	job, err := found(parseRecord(id, values))
	if err == nil {
		q.bells.name(id, job.Client)
	}
	return job, err
}

// clientOf is whose job a bell is of, which another that waits for the same may find out meanwhile.
func (b *bells) clientOf(w *bell) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return w.client
}

// name gives a bell the client that its record turned out to have.
func (b *bells) name(id, client string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if w := b.waiting[id]; w != nil {
		w.client = strings.Clone(client)
	}
}

package jobs

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

const (
	// replyPoll is the net beneath the replies: who waits for a job whose reply was lost asks Redis.
	replyPoll = time.Second
	// unclaimed is how long a reply is kept for somebody who said that he would wait and has not come.
	unclaimed = time.Minute
	idLength  = 36
)

// replies tell this process which jobs have ended. There is one channel per process; its name stands in the job's record, and
// the script that writes the final state publishes the id on it, with the document when that is small. The record is the
// truth, the message only saves asking: it may get lost, and then replyPoll finds the job's end.
type replies struct {
	channel string
	rdb     redis.UniversalClient

	mu   sync.Mutex
	jobs map[string]*awaited

	cancel context.CancelFunc
	ctx    context.Context
	done   chan struct{}
}

// awaited is one job whose end somebody in this process waits for, or is about to.
type awaited struct {
	client  string
	doc     string
	ended   chan struct{} // closed at the end of the job
	ask     chan struct{} // one token: something may have been missed
	waiters int
	since   time.Time
}

func newReplies(rdb redis.UniversalClient) *replies {
	ctx, cancel := context.WithCancel(context.Background())
	r := &replies{
		channel: "safepy:reply:" + uuid.NewString(), rdb: rdb,
		jobs: map[string]*awaited{}, ctx: ctx, cancel: cancel, done: make(chan struct{}),
	}
	go r.run()
	return r
}

func (r *replies) close() {
	r.cancel()
	<-r.done
}

// run listens. go-redis connects again by itself and says so; what has ended in between is then asked for.
func (r *replies) run() {
	defer close(r.done)
	sub := r.rdb.Subscribe(r.ctx, r.channel)
	defer sub.Close()
	messages := sub.ChannelWithSubscriptions(redis.WithChannelSize(1024))
	tidy := time.NewTicker(unclaimed / 2)
	defer tidy.Stop()
	for {
		select {
		case <-r.ctx.Done():
			return
		case <-tidy.C:
			r.tidy()
		case m, ok := <-messages:
			if !ok {
				return
			}
			switch m := m.(type) {
			case *redis.Message:
				if len(m.Payload) >= idLength {
					r.end(m.Payload[:idLength], m.Payload[idLength:])
				}
			case *redis.Subscription:
				r.askAll()
			}
		}
	}
}

// expect makes the entry of a job before it is sent, so that its end cannot go unheard.
func (r *replies) expect(id, client string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.jobs[id]
	if w != nil {
		select {
		case <-w.ended: // of an earlier job under the same key, which nobody came for
		default:
			return
		}
	}
	r.jobs[id] = newAwaited(client)
}

func newAwaited(client string) *awaited {
	return &awaited{client: client, ended: make(chan struct{}), ask: make(chan struct{}, 1), since: time.Now()}
}

func (r *replies) forget(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if w := r.jobs[id]; w != nil && w.waiters == 0 {
		delete(r.jobs, id)
	}
}

func (r *replies) end(id, doc string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.jobs[id]
	if w == nil {
		return
	}
	select {
	case <-w.ended: // twice
	default:
		w.doc = doc
		close(w.ended)
	}
}

func (r *replies) askAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range r.jobs {
		notify(w.ask)
	}
}

func (r *replies) tidy() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, w := range r.jobs {
		if w.waiters == 0 && time.Since(w.since) > unclaimed {
			delete(r.jobs, id)
		}
	}
}

// take returns the entry of a job, and whether it was expected, that is whether the job's record names our channel.
func (r *replies) take(id string) (w *awaited, expected bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w, expected = r.jobs[id]
	if !expected {
		w = newAwaited("")
		r.jobs[id] = w
	}
	w.waiters++
	return w, expected
}

func (r *replies) drop(id string, w *awaited) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w.waiters--
	if w.waiters == 0 && r.jobs[id] == w {
		delete(r.jobs, id)
	}
}

// clientOf is whose job is awaited, which another that waits for the same may find out meanwhile.
func (r *replies) clientOf(w *awaited) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return w.client
}

// name gives an awaited job the client that its record turned out to have.
func (r *replies) name(id, client string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if w := r.jobs[id]; w != nil {
		w.client = strings.Clone(client)
	}
}

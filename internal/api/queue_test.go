package api

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"safepy/internal/jobs"
)

// fakeQueue is a queue in memory. What becomes of a script is scripted by its text: the key of outcomes. A script without
// an outcome stays queued until finish is called.
type fakeQueue struct {
	mu       sync.Mutex
	workers  []jobs.Worker
	jobs     map[string]*jobs.Job
	order    []string
	bells    map[string]chan struct{}
	byKey    map[string]string
	outcomes map[string]jobs.Outcome
	// err, when set, is what every call answers.
	err error
	// requests are those submitted, in order; options likewise.
	requests []*jobs.Request
	options  []jobs.SubmitOptions
	listed   []jobs.ListOptions
	// waiting receives an id when a wait for it begins, where there is room.
	waiting chan string
	// canceled receives the id of each canceled job, where there is room.
	canceled chan string
	panics   bool
}

func newFakeQueue() *fakeQueue {
	return &fakeQueue{
		jobs: map[string]*jobs.Job{}, bells: map[string]chan struct{}{}, byKey: map[string]string{}, outcomes: map[string]jobs.Outcome{},
		waiting: make(chan string, 64), canceled: make(chan string, 64),
	}
}

func (q *fakeQueue) Submit(_ context.Context, r *jobs.Request, o jobs.SubmitOptions) (*jobs.Job, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.panics {
		panic("the queue fell over")
	}
	if q.err != nil {
		return nil, q.err
	}
	if o.IdempotencyKey != "" {
		if id, seen := q.byKey[o.Client+"/"+o.IdempotencyKey]; seen {
			if q.requests[q.index(id)].Script != r.Script {
				return nil, jobs.ErrIdempotencyMismatch
			}
			return q.copyOf(id), nil
		}
	}
	id := fmt.Sprintf("job-%d", len(q.order)+1)
	q.order = append(q.order, id)
	q.requests, q.options = append(q.requests, r), append(q.options, o)
	q.byKey[o.Client+"/"+o.IdempotencyKey] = id
	q.jobs[id] = &jobs.Job{ID: id, Status: jobs.Queued, Client: o.Client, CreatedAt: time.Unix(1, 0).UTC(), Outputs: []byte("[]"), Files: []jobs.ResultFile{}}
	q.bells[id] = make(chan struct{})
	if outcome, ok := q.outcomes[r.Script]; ok {
		q.end(id, outcome)
	}
	return q.copyOf(id), nil
}

func (q *fakeQueue) index(id string) int {
	n, _ := strconv.Atoi(id[len("job-"):])
	return n - 1
}

func (q *fakeQueue) copyOf(id string) *jobs.Job {
	j := *q.jobs[id]
	return &j
}

// end is for callers that hold mu.
func (q *fakeQueue) end(id string, o jobs.Outcome) {
	j, at := q.jobs[id], time.Unix(2, 0).UTC()
	j.Status, j.Attempts, j.StartedAt, j.FinishedAt = jobs.Completed, 1, &at, &at
	if o.Error != nil {
		j.Status = jobs.Failed
	}
	j.Result, j.Stdout, j.Stderr, j.Truncated, j.Error, j.Usage = o.Result, o.Stdout, o.Stderr, o.Truncated, o.Error, &o.Usage
	close(q.bells[id])
}

func (q *fakeQueue) finish(id string, o jobs.Outcome) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.end(id, o)
}

func (q *fakeQueue) Get(_ context.Context, id string) (*jobs.Job, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err != nil {
		return nil, q.err
	}
	if q.jobs[id] == nil {
		return nil, jobs.ErrNotFound
	}
	return q.copyOf(id), nil
}

func (q *fakeQueue) Wait(ctx context.Context, id string, atMost time.Duration) (*jobs.Job, error) {
	q.mu.Lock()
	bell := q.bells[id]
	q.mu.Unlock()
	offer(q.waiting, id)
	over := time.NewTimer(atMost)
	defer over.Stop()
	select {
	case <-bell:
	case <-over.C:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return q.Get(ctx, id)
}

func (q *fakeQueue) Follow(context.Context, string, jobs.Position, jobs.Follower) (*jobs.Job, error) {
	return nil, jobs.ErrNotFound
}

func (q *fakeQueue) Cancel(_ context.Context, id string) (*jobs.Job, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err != nil {
		return nil, q.err
	}
	j := q.jobs[id]
	if j == nil {
		return nil, jobs.ErrNotFound
	}
	if !j.Status.Final() {
		j.Status = jobs.Canceled
		close(q.bells[id])
	}
	offer(q.canceled, id)
	return q.copyOf(id), nil
}

func offer(ch chan string, id string) {
	select {
	case ch <- id:
	default:
	}
}

func (q *fakeQueue) List(_ context.Context, o jobs.ListOptions) (jobs.ListPage, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.listed = append(q.listed, o)
	if q.err != nil {
		return jobs.ListPage{}, q.err
	}
	var p jobs.ListPage
	for i := len(q.order) - 1; i >= 0; i-- {
		j := q.copyOf(q.order[i])
		if o.Cursor != "" && q.index(o.Cursor) <= i || o.Status != "" && j.Status != o.Status || j.Client != o.Client {
			continue
		}
		if len(p.Jobs) == o.Limit {
			p.Next = p.Jobs[len(p.Jobs)-1].ID
			break
		}
		p.Jobs = append(p.Jobs, j)
	}
	return p, nil
}

func (q *fakeQueue) Workers(context.Context) ([]jobs.Worker, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.workers, q.err
}

func (q *fakeQueue) Ready(context.Context) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.err
}

// set changes what the queue answers.
func (q *fakeQueue) set(change func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	change()
}

func (q *fakeQueue) submitted() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.requests)
}

func (q *fakeQueue) Room(context.Context) (jobs.Room, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return jobs.Room{State: "open", JobsMost: 7}, q.err
}

// SubmitBatch takes the job that a key stands for to be the first's of the batch, and the others to be beside it.
func (q *fakeQueue) SubmitBatch(ctx context.Context, requests []*jobs.Request, o jobs.SubmitOptions) ([]jobs.Submitted, error) {
	out := make([]jobs.Submitted, len(requests))
	key := o.IdempotencyKey
	for i, r := range requests {
		if r == nil {
			continue
		}
		if key != "" {
			o.IdempotencyKey = fmt.Sprint(key, "/", i)
		}
		before := q.submitted()
		job, err := q.Submit(ctx, r, o)
		if errors.Is(err, jobs.ErrIdempotencyMismatch) {
			return nil, err
		}
		if out[i] = (jobs.Submitted{Job: job, Err: err}); job != nil {
			out[i].ID = job.ID
			if q.submitted() == before {
				out[i].Job = nil
			} else if job.Status.Final() {
				out[i].Job.Status = jobs.Queued
			}
		}
	}
	return out, nil
}

func (q *fakeQueue) WaitAll(ctx context.Context, ids []string, atMost time.Duration) (ended []*jobs.Job, final bool, err error) {
	over, final := time.Now().Add(atMost), true
	for i, id := range ids {
		j, err := q.Wait(ctx, id, time.Until(over))
		if err != nil {
			return nil, false, err
		}
		if final = final && j.Status.Final(); i%2 == 1 || !j.Status.Final() {
			j = nil // every other one is too long to come with the word of its end
		}
		ended = append(ended, j)
	}
	return ended, final, nil
}

func (q *fakeQueue) Find(ctx context.Context, ids []string) (found []*jobs.Job, err error) {
	for _, id := range ids {
		j, err := q.Get(ctx, id)
		if err != nil && !errors.Is(err, jobs.ErrNotFound) {
			return nil, err
		}
		found = append(found, j)
	}
	return found, nil
}

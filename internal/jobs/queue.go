package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// QueueOptions are an API process's view of the queue. The zero value works.
type QueueOptions struct {
	// Limit is how many jobs may wait in all; 0 is no limit. It is kept to within what several API processes accept in 50 ms.
	Limit int
	// Share is the part of the room that others leave in the queue which one client may fill, so that nobody closes it for all: with
	// 0.5 the first client gets half, the next half of what is left. Up to eight jobs are anybody's. 0 is 1: all of it.
	Share float64
	// Bytes is how long the requests of all jobs that are not final may be together; 0 is no limit, but a quarter of Redis' maxmemory,
	// where it has one.
	Bytes int64
	// ClientInFlight is how many unfinished jobs one named client may have, ClientPerSecond how many submissions it may make
	// per second (with a burst of one second's worth, at least one); 0 is no limit.
	ClientInFlight  int
	ClientPerSecond float64
	// ResultTTL is how long a finished job can be fetched, and how long an idempotency key is remembered after that; 0 is 24 h.
	ResultTTL time.Duration
	// Shards is how many lanes there are at least; every process of the service must be given the same number.
	Shards int
	Logger *slog.Logger
}

// SubmitOptions say for whom a job is.
type SubmitOptions struct {
	// Client names who asks, for fair shares and limits; empty is nobody in particular, who has no limits of its own.
	Client string
	// Address is who asks where Client is empty, for fair shares alone.
	Address string
	// IdempotencyKey, if set, makes a second submission of the same request by the same client return the first one's job.
	IdempotencyKey string
	// Reply says that the caller will Wait for the job in this process, which then needs no read.
	Reply bool
}

const (
	taskType = "python"
	// asynqTimeout only has to be longer than any script may run: the worker ends scripts itself. asynq would free the slot
	// while the script still runs.
	asynqTimeout = 24 * time.Hour
	// asynqRetries is never reached: how often a job may be lost is decided by the scripts.
	asynqRetries = 1000
)

// Queue is the API side of the jobs. It is safe for concurrent use; Close it.
type Queue struct {
	rdb     redis.UniversalClient
	o       QueueOptions
	layout  layout
	client  *asynq.Client
	backlog *backlog
	replies *replies
	hub     *hub
	log     *slog.Logger
}

// NewQueue does not need Redis to be up: until it is, every call fails with ErrUnavailable. It does not close rdb.
func NewQueue(rdb redis.UniversalClient, o QueueOptions) (*Queue, error) {
	y, err := newLayout(rdb, o.Shards)
	if err != nil {
		return nil, err
	}
	if o.ResultTTL == 0 {
		o.ResultTTL = 24 * time.Hour
	}
	if o.ResultTTL < time.Second {
		return nil, fmt.Errorf("result ttl %s: at least a second", o.ResultTTL)
	}
	if o.Share == 0 {
		o.Share = 1
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	q := &Queue{
		rdb: rdb, o: o, layout: y, log: o.Logger,
		client:  asynq.NewClientFromRedisClient(&submitter{UniversalClient: rdb}),
		backlog: newBacklog(rdb, y, o.Limit), replies: newReplies(rdb), hub: newHub(rdb),
	}
	return q, nil
}

// Close ends what the queue runs in the background and every Wait. It waits for that.
func (q *Queue) Close() error {
	q.replies.close()
	q.hub.close()
	q.backlog.close()
	return nil
}

// Submit accepts a job or says why not: *BusyError, ErrIdempotencyMismatch, ErrUnavailable (within 2 s), or the caller's
// own ctx. With an idempotency key the job returned may be an earlier one, in any state.
func (q *Queue) Submit(ctx context.Context, r *Request, o SubmitOptions) (*Job, error) {
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	body, err := encode(r)
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	priority := r.Priority
	if priority == "" {
		priority = Default
	}
	s := &submission{body: body, ttl: q.o.ResultTTL, client: o.Client, share: shareOf(o)}
	keyed := ""
	if o.IdempotencyKey != "" {
		keyed = keyedID(q.layout.home(o.Client), o.Client, o.IdempotencyKey)
		s.fingerprint = fingerprint(body)
		// A repetition must get its job even when there is no room for a new one.
		known, err := q.repetition(ctx, keyed, s.fingerprint)
		if err != nil || known != nil {
			return known, submitError(caller, err)
		}
	}
	place, err := q.backlog.reserve(ctx, priority)
	if err != nil {
		return nil, submitError(caller, err)
	}
	defer place.release()
	s.room = q.room(place)
	id, err := q.admit(ctx, o.Client, newID(place.lane), keyed, place.crowded)
	if err != nil {
		return nil, submitError(caller, err)
	}
	l, _ := laneOf(id)
	if keyed != "" {
		id = keyed
		if q.layout.cluster {
			l, _ = laneOf(keyed)
		}
	}
	return q.enqueue(caller, ctx, id, l, priority, s, o)
}

// enqueue sends a job into a lane, which on a cluster is that of its record.
func (q *Queue) enqueue(caller, ctx context.Context, id string, l lane, p Priority, s *submission, o SubmitOptions) (*Job, error) {
	err := q.send(ctx, id, l, p, s, o)
	job, err := q.sent(caller, id, l, p, s, o, err)
	if job == nil {
		q.replies.forget(id)
		q.dismiss(ctx, o.Client, id)
		if err == nil {
			return q.Get(ctx, id)
		}
	}
	return job, err
}

// send has asynq make the task of a job and write it, or hold the call that does.
func (q *Queue) send(ctx context.Context, id string, l lane, p Priority, s *submission, o SubmitOptions) error {
	home, _ := laneOf(id)
	s.keys = []string{home.record(id), home.index(), q.layout.wakeups(l), q.layout.free(l), q.layout.book(l)}
	s.reply = q.replies.channel
	if o.Reply {
		q.replies.expect(id, o.Client)
	}
	_, err := q.client.EnqueueContext(context.WithValue(ctx, submissionKey{}, s), asynq.NewTask(taskType, nil),
		asynq.TaskID(id), asynq.Queue(l.queue(p)), asynq.MaxRetry(asynqRetries), asynq.Timeout(asynqTimeout))
	return err
}

// sent is what came of sending a job: the new job; or nothing, where there is one with its id and fingerprint already; or why there is none.
func (q *Queue) sent(caller context.Context, id string, l lane, p Priority, s *submission, o SubmitOptions, err error) (*Job, error) {
	known := errors.Is(err, asynq.ErrTaskIDConflict)
	switch {
	case err == nil || known && s.fingerprint == "":
		// A conflict on an id made up a moment ago: the reply to the first try was lost, and the client sent it again.
		if !s.dispatched {
			q.backlog.add(l, p)
		}
		if s.created == nil {
			return q.Get(caller, id)
		}
		return &Job{ID: id, Status: Queued, Outputs: noOutputs, Files: []ResultFile{}, CreatedAt: *s.created, Client: o.Client}, nil
	case known && s.known != s.fingerprint:
		return nil, ErrIdempotencyMismatch
	case known:
		return nil, nil
	}
	return nil, q.refusal(caller, s, err)
}

func submitError(caller context.Context, err error) error {
	var busy *BusyError
	if err == nil || errors.As(err, &busy) || errors.Is(err, ErrIdempotencyMismatch) || errors.Is(err, ErrUnavailable) {
		return err
	}
	return unavailable(caller, "submit", err)
}

package jobs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
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
		backlog: newBacklog(rdb, y, o.Limit), replies: newReplies(rdb),
	}
	return q, nil
}

// Close ends what the queue runs in the background and every Wait. It waits for that.
func (q *Queue) Close() error {
	q.replies.close()
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
	home, _ := laneOf(id)
	s.keys = []string{home.record(id), home.index(), q.layout.wakeups(l), q.layout.free(l), q.layout.book(l)}
	s.reply = q.replies.channel
	if o.Reply {
		q.replies.expect(id, o.Client)
	}
	_, err := q.client.EnqueueContext(context.WithValue(ctx, submissionKey{}, s), asynq.NewTask(taskType, nil),
		asynq.TaskID(id), asynq.Queue(l.queue(p)), asynq.MaxRetry(asynqRetries), asynq.Timeout(asynqTimeout))
	if err == nil || errors.Is(err, asynq.ErrTaskIDConflict) && s.fingerprint == "" {
		// A conflict on an id made up a moment ago: the reply to the first try was lost, and the client sent it again.
		if !s.dispatched {
			q.backlog.add(l, p)
		}
		if s.created == nil {
			return q.Get(ctx, id)
		}
		return &Job{ID: id, Status: Queued, Files: []ResultFile{}, CreatedAt: *s.created, Client: o.Client}, nil
	}
	q.replies.forget(id)
	q.dismiss(ctx, o.Client, id)
	if errors.Is(err, asynq.ErrTaskIDConflict) {
		if s.known != s.fingerprint {
			return nil, ErrIdempotencyMismatch
		}
		return q.Get(ctx, id)
	}
	return nil, q.refusal(caller, s, err)
}

// repetition is the job that an idempotency key stands for already, nil when there is none.
func (q *Queue) repetition(ctx context.Context, id, fingerprint string) (*Job, error) {
	l, _ := laneOf(id)
	known, err := q.rdb.HGet(ctx, l.record(id), "fp").Result()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if known != fingerprint {
		return nil, ErrIdempotencyMismatch
	}
	job, err := q.Get(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return nil, nil // expired in between
	}
	return job, err
}

func submitError(caller context.Context, err error) error {
	var busy *BusyError
	if err == nil || errors.As(err, &busy) || errors.Is(err, ErrIdempotencyMismatch) || errors.Is(err, ErrUnavailable) {
		return err
	}
	return unavailable(caller, "submit", err)
}

// fingerprint tells requests apart, not the way their JSON was written down.
func fingerprint(body []byte) string {
	var compact bytes.Buffer
	if json.Compact(&compact, body) == nil {
		body = compact.Bytes()
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// Get returns the job as it is now: ErrNotFound, ErrUnavailable, or the caller's ctx.
func (q *Queue) Get(ctx context.Context, id string) (*Job, error) {
	l, ok := laneOf(id)
	if !ok {
		return nil, ErrNotFound
	}
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	values, err := q.rdb.HMGet(ctx, l.record(id), recordFields...).Result()
	if err != nil && !foreign(err) {
		return nil, unavailable(caller, "get job", err)
	}
	return found(parseRecord(id, values))
}

func found(j *Job) (*Job, error) {
	if j == nil {
		return nil, ErrNotFound
	}
	return j, nil
}

// cancelPatience is how long Cancel gives a worker to stop a running script, which takes it milliseconds.
const cancelPatience = time.Second

// Cancel ends a queued job at once and has a running one stopped; it returns the job as it is then, which is running only
// when its worker did not answer within a second. A job that is final stays as it is.
func (q *Queue) Cancel(ctx context.Context, id string) (*Job, error) {
	l, ok := laneOf(id)
	if !ok {
		return nil, ErrNotFound
	}
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	was, err := cancelScript.Run(ctx, q.rdb, []string{l.record(id), q.layout.book(l)}, id, cancelChannel).Text()
	if errors.Is(err, redis.Nil) || foreign(err) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, unavailable(caller, "cancel", err)
	}
	if Status(was) == Running {
		return q.Wait(caller, id, cancelPatience)
	}
	j, err := q.Get(caller, id)
	if err == nil && Status(was) == Queued {
		q.backlog.stale()
		q.dismiss(ctx, j.Client, id)
	}
	return j, err
}

// Ready reports why jobs would not be done now: Redis does not answer, no worker lives, or none serves all of this queue's
// lanes.
func (q *Queue) Ready(ctx context.Context) error {
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	if m := q.backlog.memory(ctx); m.full() {
		// First of all: workers cannot say that they are there, either.
		return fmt.Errorf("redis is full: it uses %s, and the rest is kept for jobs that were accepted; %s", m, whenFull)
	}
	pipe := q.rdb.Pipeline()
	// asynq's workers renew an entry here every 5 s, good for 10.
	beating := pipe.ZCount(ctx, "asynq:servers", strconv.FormatInt(time.Now().Unix(), 10), "+inf")
	said, now := pipe.HGetAll(ctx, workersKey), pipe.Time(ctx)
	if _, err := pipe.Exec(ctx); err != nil {
		return unavailable(caller, "ready", err)
	}
	workers, _ := live(said.Val(), now.Val())
	if beating.Val() == 0 || len(workers) == 0 {
		return errors.New("no live worker")
	}
	served := 0
	for _, w := range workers {
		served = max(served, w.Lanes)
	}
	if served < q.layout.lanes {
		return fmt.Errorf("the workers serve %d of %d queue shards: QUEUE_SHARDS must be the same in all processes", served, q.layout.lanes)
	}
	return nil
}

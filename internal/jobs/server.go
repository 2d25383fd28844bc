package jobs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// Runner runs one script to its end. An error means that this worker could not run it, and the job is tried again
// elsewhere; whatever the script itself did is in the Outcome. When ctx ends the script is killed, and the Outcome holds
// what it wrote until then.
type Runner interface {
	Run(ctx context.Context, r *Request) (*Outcome, error)
}

// ServerOptions are a worker process's view of the queue. The zero value works.
type ServerOptions struct {
	// Concurrency is how many jobs run at the same time; 0 is one per core.
	Concurrency int
	// JobTimeout is the longest a script may run, which the Runner sees to. A run that is far beyond it is ended here. 0 is
	// ten minutes.
	JobTimeout time.Duration
	// CasesTimeout is the longest that all cases of a job may take together, CasesBytes how much is kept of what they return, print and
	// leave; 0 is a minute and 8 MiB.
	CasesTimeout time.Duration
	CasesBytes   int
	// StopGrace is how long running jobs may go on after a stop; then they are killed and queued again. 0 is JobTimeout and
	// five seconds more.
	StopGrace time.Duration
	// Shards as in QueueOptions: the same in every process.
	Shards int
	// OutcomeBytes is how much is kept of finished jobs, in all; 0 is no limit. See QueueOptions.Bytes.
	OutcomeBytes int64
	// Capabilities is JSON that tells clients what this worker's jails enforce; see Queue.Workers.
	Capabilities json.RawMessage
	Logger       *slog.Logger
}

const (
	// maxLost is how many workers a job may take down with it.
	maxLost     = 2
	lostMessage = "the worker was lost while it ran this job, twice"
	// maxErrors is how often a Runner may fail to run a job.
	maxErrors = 3
	// maxPublished is the longest document that travels with the bell: most are below 1 kB, and a client of Redis that does
	// not keep up is cut off at 8 MB.
	maxPublished = 64 << 10

	// sweepEvery, with the lease of 30 s, brings back the jobs of a worker killed within 33 s. One command for all queues.
	sweepEvery    = 3 * time.Second
	registerEvery = time.Minute
	// stopPatience is what a stop takes at most beyond the grace, while Redis does not answer.
	stopPatience = 5 * time.Second
)

// Server is the worker side of the jobs.
type Server struct {
	o       ServerOptions
	broker  *broker
	handler *handler
	log     *slog.Logger
	self    Worker
	once    sync.Once
}

// NewServer does not need Redis to be up. It does not close rdb.
func NewServer(rdb redis.UniversalClient, run Runner, o ServerOptions) (*Server, error) {
	y, err := newLayout(rdb, o.Shards)
	if err != nil {
		return nil, err
	}
	if o.Concurrency <= 0 {
		o.Concurrency = runtime.GOMAXPROCS(0)
	}
	if o.JobTimeout == 0 {
		o.JobTimeout = 10 * time.Minute
	}
	o.CasesTimeout, o.CasesBytes = cmp.Or(o.CasesTimeout, time.Minute), cmp.Or(o.CasesBytes, 8<<20)
	if o.StopGrace == 0 {
		o.StopGrace = o.JobTimeout + 5*time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	b := newBroker(rdb, y, o.Concurrency, o.Logger)
	b.outcomes = o.OutcomeBytes
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("host name: %w", err)
	}
	self := Worker{ID: uuid.NewString(), Host: host, Slots: o.Concurrency, Since: time.Now().UTC(), Capabilities: o.Capabilities}
	h := newHandler(b, run, o.JobTimeout, o.Logger)
	h.casesTimeout, h.casesBytes = o.CasesTimeout, o.CasesBytes
	return &Server{o: o, broker: b, handler: h, log: o.Logger, self: self}, nil
}

// Run serves until ctx ends. Then it takes no more jobs, lets the running ones end for StopGrace, puts the rest back into the
// queue, and returns nil, or why asynq could not be served any longer. A server runs once.
func (s *Server) Run(ctx context.Context) error {
	first := false
	s.once.Do(func() { first = true })
	if !first {
		return errors.New("jobs server: runs only once")
	}
	srv := asynq.NewServerFromRedisClient(s.broker, asynq.Config{
		Concurrency:     s.o.Concurrency,
		Queues:          s.broker.layout.queues(),
		Logger:          asynqLog{s.log},
		LogLevel:        asynq.InfoLevel,
		ShutdownTimeout: s.o.StopGrace + stopPatience,
		// Slept when every queue has been asked in vain, which with dequeue's waiting is once in minutes, and while stopping.
		TaskCheckInterval: 10 * time.Millisecond,
		// Nothing of ours is ever scheduled, retried by asynq or kept by it as completed.
		DelayedTaskCheckInterval: time.Minute,
		JanitorInterval:          10 * time.Minute,
		RetryDelayFunc:           func(int, error, *asynq.Task) time.Duration { return 0 },
	})
	if err := srv.Start(asynq.HandlerFunc(s.handler.ProcessTask)); err != nil {
		return fmt.Errorf("start asynq: %w", err)
	}
	background, end := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { s.housekeep(background) })
	wg.Go(func() { s.handler.listen(background) })
	receiving, leaveList := context.WithCancel(background)
	wg.Go(func() {
		s.broker.receive(receiving)
		<-receiving.Done()
		leave, cancel := context.WithTimeout(context.Background(), blockMargin)
		defer cancel()
		s.giveBackUnbegun(leave)
	})

	var refused error
	select {
	case <-ctx.Done():
	case refused = <-s.broker.refusals:
	}
	s.broker.waiter.release()
	leaveList()
	grace := time.AfterFunc(s.o.StopGrace, s.handler.abort)
	srv.Shutdown()
	grace.Stop()
	s.handler.goroutines.Close()
	leave, cancel := context.WithTimeout(context.Background(), stopPatience)
	s.giveBackUnbegun(leave)
	s.broker.waiter.close()
	end()
	wg.Wait()
	s.leave(leave)
	cancel()
	return refused
}

// giveBackUnbegun has others get what this worker has taken, or was dispatched, and has not begun.
func (s *Server) giveBackUnbegun(ctx context.Context) {
	if err := s.broker.leaveUnbegun(ctx); err != nil {
		s.log.Warn("jobs taken and not begun come back when their lease ends", "error", err)
	}
}

// housekeep does what must be done from time to time, whether there is work or not.
func (s *Server) housekeep(ctx context.Context) {
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	register := time.NewTicker(registerEvery)
	defer register.Stop()
	describe := time.NewTicker(describeEvery)
	defer describe.Stop()
	s.registerQueues(ctx)
	s.describeSelf(ctx)
	s.sweep(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case <-sweep.C:
			s.sweep(ctx)
			s.handler.findWanted(ctx)
		case <-register.C:
			s.registerQueues(ctx)
		case <-describe.C:
			s.describeSelf(ctx)
		}
	}
}

func (s *Server) describeSelf(ctx context.Context) {
	if err := s.describe(ctx); err != nil && ctx.Err() == nil {
		s.log.Warn("the worker could not say that it is there", "error", err)
	}
}

func (s *Server) sweep(ctx context.Context) {
	if err := s.broker.sweep(ctx); err != nil && ctx.Err() == nil {
		s.log.Warn("sweep for lost jobs failed", "error", err)
	}
}

// registerQueues tells asynq's tools which queues there are.
func (s *Server) registerQueues(ctx context.Context) {
	var names []any
	for q := range s.broker.layout.queues() {
		names = append(names, q)
	}
	if err := s.broker.SAdd(ctx, "asynq:queues", names...).Err(); err != nil && ctx.Err() == nil {
		s.log.Warn("registering the queues failed", "error", err)
	}
}

// Package api is the service's HTTP face: it decodes and checks what clients send, hands jobs to the queue and gives their
// outcome back. It runs no script and keeps no state of its own; several processes of it can serve one queue.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"safepy/internal/config"
	"safepy/internal/jobs"
)

// Queue is what the API needs of jobs.Queue.
type Queue interface {
	Submit(ctx context.Context, r *jobs.Request, o jobs.SubmitOptions) (*jobs.Job, error)
	Get(ctx context.Context, id string) (*jobs.Job, error)
	// Wait returns the job when it is final or when the time is over, whichever is first.
	Wait(ctx context.Context, id string, atMost time.Duration) (*jobs.Job, error)
	Cancel(ctx context.Context, id string) (*jobs.Job, error)
	// Follow tells what happens to a job until its end, from a position on.
	Follow(ctx context.Context, id string, from jobs.Position, f jobs.Follower) (*jobs.Job, error)
	List(ctx context.Context, o jobs.ListOptions) (jobs.ListPage, error)
	// Ready says why no job could be run now, if so.
	Ready(ctx context.Context) error
	// Workers are the live ones, in their own words.
	Workers(ctx context.Context) ([]jobs.Worker, error)
	// Room is what there is for more jobs and their outcomes.
	Room(ctx context.Context) (jobs.Room, error)
}

var _ Queue = (*jobs.Queue)(nil)

// Options is how a Server behaves; the zero value of a limit means that there is none to be had, so set them all.
type Options struct {
	Limits Limits
	// Keys are the callers let in; none means everybody.
	Keys config.APIKeys
	// AllowedOrigins and AllowedHosts say for whom a browser may ask, and under which names.
	AllowedOrigins config.Origins
	AllowedHosts   config.Hosts
	// TrustedProxies are those whose X-Forwarded-For says who the client is.
	TrustedProxies config.Prefixes
	// ExecuteWait bounds every wait for a job: that of /execute, ?wait= and Prefer: wait=.
	ExecuteWait time.Duration
	// OutputBytes is what workers keep of stdout and of stderr. It is only spoken of here.
	OutputBytes int
	// Stopping, when it ends, ends the waits of those who only look at a job. Nil never ends.
	Stopping context.Context
	// Gatherers are further metrics to serve on /metrics: in standalone, the worker's.
	Gatherers []prometheus.Gatherer
	Log       *slog.Logger
}

// OptionsFrom are the options that a process's settings ask for.
func OptionsFrom(cfg config.API, log *slog.Logger) Options {
	return Options{
		Limits: Limits{
			ScriptBytes:  cfg.MaxScriptBytes,
			RequestBytes: cfg.MaxRequestBytes,
			TimeoutMS:    int(cfg.JobTimeout / time.Millisecond),
			MemoryMB:     cfg.JobMemoryMB,
		},
		Keys:           cfg.APIKeys,
		AllowedOrigins: cfg.AllowedOrigins,
		AllowedHosts:   cfg.AllowedHosts,
		TrustedProxies: cfg.TrustedProxies,
		ExecuteWait:    cfg.ExecuteWait,
		OutputBytes:    cfg.JobOutputBytes,
		Log:            log,
	}
}

// QueueOptions are the queue's options that a process's settings ask for.
func QueueOptions(cfg config.API, log *slog.Logger) jobs.QueueOptions {
	return jobs.QueueOptions{
		Limit:           cfg.QueueLimit,
		Share:           cfg.QueueShare,
		Bytes:           cfg.QueueBytes,
		ClientInFlight:  cfg.KeyJobsInFlight,
		ClientPerSecond: cfg.KeyRequestsPerSecond,
		ResultTTL:       cfg.JobResultTTL,
		Shards:          cfg.QueueShards,
		Logger:          log,
	}
}

// Server answers the routes. It is an http.Handler; Serve puts it on the network.
type Server struct {
	queue   Queue
	o       Options
	metrics *metrics
	echo    *echo.Echo
	// large has a place for each large body that may be in memory.
	large *places
	// pace is usualPace, but for tests.
	pace pace
}

// New makes a Server over a queue.
func New(q Queue, o Options) *Server {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{queue: q, o: o, metrics: newMetrics(o.Gatherers), echo: echo.New(), large: newPlaces(largeBodies), pace: usualPace}
	s.routes()
	return s
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.echo.ServeHTTP(w, r) }

func (s *Server) routes() {
	e := s.echo
	e.HTTPErrorHandler = s.sendError
	e.Use(s.observe, s.recoverPanics, s.checkHost, s.checkOrigin)

	key := s.authenticate
	e.POST("/execute", s.execute, key)
	e.POST("/jobs", s.submit, key)
	e.DELETE("/jobs/:id", s.cancel, key)
	// HEAD answers wherever GET does: load balancers and uptime monitors ask with it.
	get := []string{http.MethodGet, http.MethodHead}
	e.Match(get, "/jobs", s.list, key)
	e.Match(get, "/jobs/:id", s.get, key)
	e.GET("/jobs/:id/events", s.events, key)
	e.Match(get, "/capabilities", s.capabilities, key)
	e.Match(get, "/health", s.health)
	e.Match(get, "/ready", s.ready)
	e.Match(get, "/metrics", s.metrics.serve)
}

package api

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"safepy/internal/jobs"
)

// metrics is what the API counts. All names begin with safepy_.
type metrics struct {
	requests  *prometheus.CounterVec
	durations *prometheus.HistogramVec
	inFlight  prometheus.Gauge
	submits   *prometheus.CounterVec
	outcomes  *prometheus.CounterVec
	panics    prometheus.Counter
	handler   http.Handler
}

func newMetrics(more []prometheus.Gatherer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "safepy_http_requests_total", Help: "Requests answered, by route, method and status.",
		}, []string{"route", "method", "status"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "safepy_http_request_duration_seconds", Help: "From a request's head to the end of its answer, by route; waits for jobs included.",
			// A warm job takes a few milliseconds and the longest wait is half a minute.
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"route"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "safepy_http_requests_in_flight", Help: "Requests being answered now.",
		}),
		submits: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "safepy_submits_total", Help: "Jobs handed to the queue, by what it said: accepted, queue_full, rate_limited, idempotency_mismatch, unavailable or error.",
		}, []string{"outcome"}),
		outcomes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "safepy_executions_total", Help: "Ends of /execute, by the job's: completed, canceled, waiting (the wait was over first) or the error's code.",
		}, []string{"outcome"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "safepy_http_panics_total", Help: "Requests that ended in a panic of ours.",
		}),
	}
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	r.MustRegister(m.requests, m.durations, m.inFlight, m.submits, m.outcomes, m.panics)
	m.handler = promhttp.HandlerFor(append(prometheus.Gatherers{r}, more...), promhttp.HandlerOpts{Registry: r})
	return m
}

func (m *metrics) serve(c echo.Context) error {
	m.handler.ServeHTTP(c.Response(), c.Request())
	return nil
}

// begin counts a request in; what it returns counts it out.
func (m *metrics) begin() func() {
	m.inFlight.Inc()
	return m.inFlight.Dec
}

func (m *metrics) answered(route, method string, status int, took time.Duration) {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete, http.MethodOptions, http.MethodPut, http.MethodPatch:
	default:
		// Methods are made by clients, too.
		method = "other"
	}
	m.requests.WithLabelValues(route, method, strconv.Itoa(status)).Inc()
	m.durations.WithLabelValues(route).Observe(took.Seconds())
}

func (m *metrics) submitted(err error) {
	outcome := "accepted"
	if err != nil {
		outcome = "error"
		if busy, ok := errors.AsType[*jobs.BusyError](err); ok {
			outcome = busyAnswer(busy).body.Code
		} else if errors.Is(err, jobs.ErrIdempotencyMismatch) {
			outcome = codeIdempotency
		} else if unavailable(err) {
			outcome = codeUnavailable
		}
	}
	m.submits.WithLabelValues(outcome).Inc()
}

func (m *metrics) executed(job *jobs.Job) {
	outcome := string(job.Status)
	switch {
	case !job.Status.Final():
		outcome = "waiting"
	case job.Status == jobs.Failed && job.Error != nil:
		outcome = string(job.Error.Code)
	}
	m.outcomes.WithLabelValues(outcome).Inc()
}

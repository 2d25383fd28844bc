package worker

import (
	"github.com/prometheus/client_golang/prometheus"

	"safepy/internal/jail"
	"safepy/internal/jobs"
)

// metrics counts what the jails did. A nil *metrics counts nothing.
type metrics struct {
	runs    *prometheus.CounterVec
	seconds *prometheus.HistogramVec
}

func newMetrics(registry prometheus.Registerer, pool *jail.Pool) *metrics {
	m := &metrics{
		runs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "safepy_runs_total", Help: "Scripts run, by how they ended: completed, an error code, or unable where no jail could run them.",
		}, []string{"outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "safepy_run_seconds", Help: "Time of one run: setup is the wait for a sandboxed process, wall the script's own.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 16),
		}, []string{"phase"}),
	}
	level := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "safepy_jail_info", Help: "1 for the backend and the isolation level that this worker's jails have.",
	}, []string{"backend", "isolation"})
	level.WithLabelValues(string(pool.Backend()), string(pool.Isolation())).Set(1)
	registry.MustRegister(m.runs, m.seconds, level)
	return m
}

func (m *metrics) ran(o *jobs.Outcome) {
	if m == nil {
		return
	}
	outcome := string(jobs.Completed)
	if o.Error != nil {
		outcome = string(o.Error.Code)
	}
	m.runs.WithLabelValues(outcome).Inc()
	m.seconds.WithLabelValues("setup").Observe(o.Usage.SetupMS / 1e3)
	m.seconds.WithLabelValues("wall").Observe(o.Usage.WallMS / 1e3)
}

func (m *metrics) failed() {
	if m != nil {
		m.runs.WithLabelValues("unable").Inc()
	}
}

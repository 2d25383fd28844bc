package config

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxShards is how many queues the queue has names for: which one a job is in stands in one byte of its id.
const maxShards = 256

// What makes no sense to go below: a handful of outcomes, and a Redis that is full of what it needs for itself.
const (
	leastResults = 1 << 20
	leastRedis   = 64 << 20
)

// Validate implements Process.
func (s *Service) Validate() error {
	return errors.Join(
		checkRedisURL(s.RedisURL),
		between("QUEUE_SHARDS", s.QueueShards, 1, maxShards),
		atLeast("JOB_TIMEOUT", s.JobTimeout, 10*time.Millisecond),
		atMost("JOB_TIMEOUT", s.JobTimeout, 12*time.Hour),
		between("JOB_MEMORY_MB", s.JobMemoryMB, 1, 1<<20),
		between("JOB_OUTPUT_BYTES", s.JobOutputBytes, 1, 1<<28),
		// Redis keeps the record in whole seconds, and a record gone before its waiter has read it is a lost answer.
		atLeast("JOB_RESULT_TTL", s.JobResultTTL, 10*time.Second),
		atLeastOrNone("RESULTS_BYTES", s.ResultsBytes, leastResults, "1 MB"),
		atLeast("SHUTDOWN_GRACE", s.ShutdownGrace, 0),
		oneOf("LOG_LEVEL", s.LogLevel, "debug", "info", "warn", "error"),
		oneOf("LOG_FORMAT", s.LogFormat, "text", "json"),
	)
}

// Validate implements Process.
func (a *API) Validate() error {
	var larger error
	if int64(a.MaxScriptBytes) > a.MaxRequestBytes {
		larger = fmt.Errorf("MAX_SCRIPT_BYTES (%d) is above MAX_REQUEST_BYTES (%d), which the script is a part of; raise the second or lower the first",
			a.MaxScriptBytes, a.MaxRequestBytes)
	}
	return errors.Join(
		a.Service.Validate(),
		checkAddr("LISTEN_ADDR", a.ListenAddr),
		atLeast("EXECUTE_WAIT", a.ExecuteWait, 0),
		atMost("EXECUTE_WAIT", a.ExecuteWait, time.Hour),
		between("QUEUE_LIMIT", a.QueueLimit, 1, 1<<30),
		checkPart("QUEUE_SHARE", a.QueueShare),
		atLeastOrNone("QUEUE_BYTES", a.QueueBytes, a.MaxRequestBytes, "MAX_REQUEST_BYTES"),
		between("KEY_JOBS_IN_FLIGHT", a.KeyJobsInFlight, 0, 1<<30),
		checkRate("KEY_REQUESTS_PER_SECOND", a.KeyRequestsPerSecond),
		between("MAX_SCRIPT_BYTES", a.MaxScriptBytes, 1, 1<<30),
		between("MAX_REQUEST_BYTES", a.MaxRequestBytes, 1, 1<<30),
		between("MAX_BATCH_JOBS", a.MaxBatchJobs, 1, 10_000),
		between("MAX_BATCH_BYTES", a.MaxBatchBytes, 1, 1<<30),
		larger,
	)
}

// Validate implements Process.
func (w *Worker) Validate() error {
	return errors.Join(w.Service.Validate(), checkAddr("WORKER_ADDR", w.Addr), w.validateOwn())
}

// validateOwn leaves out what a worker shares with every other process, and what it has only as a process of its own.
func (w *Worker) validateOwn() error {
	var python error
	if !filepath.IsAbs(w.JailPython) {
		python = fmt.Errorf("JAIL_PYTHON: %q is not an absolute path; write one such as /usr/bin/python3", w.JailPython)
	}
	return errors.Join(
		between("WORKER_CONCURRENCY", w.Concurrency, 0, 4096),
		oneOf("JAIL", w.Jail, "auto", "nsjail", "bubblewrap"),
		oneOf("JAIL_ISOLATION", w.JailIsolation, "namespaces", "auto", "process"),
		oneOf("JAIL_SHARED_UID", w.JailSharedUID, "refuse", "accept"),
		oneOf("JAIL_CGROUP", w.JailCgroup, "auto", "required", "off"),
		python,
		between("JAIL_MAX_JOBS", w.JailMaxJobs, 1, 1<<30),
		atLeast("JAIL_MAX_AGE", w.JailMaxAge, time.Second),
		between("JAIL_SPARE", w.JailSpare, 0, 64),
		between("JOB_DISK_MB", w.JobDiskMB, 1, 1<<20),
		between("JOB_THREADS", w.JobThreads, 1, 4096),
		between("JOB_RESULT_BYTES", w.JobResultBytes, 2, 1<<28),
		between("JOB_FILES", w.JobFiles, 1, 1000),
		between("JOB_FILES_BYTES", w.JobFilesBytes, 1, 1<<28),
		between("JOB_OUTPUTS", w.JobOutputs, 1, 1000),
		between("JOB_OUTPUTS_BYTES", w.JobOutputsBytes, 1, 1<<28),
		atLeast("CASES_TIMEOUT", w.CasesTimeout, time.Second),
		between("CASES_BYTES", w.CasesBytes, 1<<10, 1<<28),
		checkNames("JAIL_PRELOAD", modulesOf(w.JailPreload)),
		checkNames("DENIED_NAMES", w.DeniedNames),
		checkNames("PROGRAM_DENIED_NAMES", w.ProgramDeniedNames),
	)
}

// Validate implements Process.
func (s *Standalone) Validate() error {
	var data error
	if s.API.RedisURL == "" && s.DataDir == "" {
		data = errors.New("DATA_DIR is empty; write a folder such as ./data, or set REDIS_URL")
	}
	return errors.Join(s.API.Validate(), s.Worker.validateOwn(), data, atLeastOrNone("REDIS_MAXMEMORY", s.RedisMaxMemory, leastRedis, "64 MB"))
}

var redisSchemes = []string{"redis", "rediss", "redis-sentinel", "rediss-sentinel", "redis-cluster", "rediss-cluster", "unix"}

// checkRedisURL looks at the scheme alone and repeats nothing else of the URL: there may be a password in it.
func checkRedisURL(url string) error {
	if url == "" {
		return nil
	}
	if scheme, _, found := strings.Cut(url, "://"); !found || !slices.Contains(redisSchemes, scheme) {
		return errors.New("REDIS_URL does not begin with redis://, rediss://, redis-sentinel://, redis-cluster:// or unix://; write one such as redis://127.0.0.1:6379/0")
	}
	return nil
}

func checkAddr(name, addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return fmt.Errorf("%s: %q is not host:port; write one such as :8080 or 127.0.0.1:8080", name, addr)
	}
	return nil
}

func checkPort(port string) error {
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return fmt.Errorf("PORT: %q is not a port; write a number from 0 to 65535, or set LISTEN_ADDR", port)
	}
	return nil
}

// modulesOf makes Python names of those of Debian's packages.
func modulesOf(list Names) Names {
	var names Names
	for _, n := range list {
		if library, is := strings.CutPrefix(n, "python3-"); is && library != "" {
			n = strings.ReplaceAll(library, "-", "_")
		}
		names = append(names, n)
	}
	return names
}

// checkNames keeps anything but Python names out of lists that end up on a Python process's side.
func checkNames(name string, list Names) error {
	for _, n := range list {
		for i, r := range n {
			if r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || i > 0 && (r >= '0' && r <= '9' || r == '.') {
				continue
			}
			return fmt.Errorf("%s: %q is not a Python name; write names separated by commas, such as numpy,pandas", name, n)
		}
	}
	return nil
}

func checkPart(name string, part float64) error {
	if !(part > 0 && part <= 1) {
		return fmt.Errorf("%s: %v is not a part; write a number above 0 and up to 1, such as 0.5", name, part)
	}
	return nil
}

// atLeastOrNone is for budgets in bytes; what says where the least comes from.
func atLeastOrNone(name string, n, least int64, what string) error {
	if n != 0 && n < least {
		return fmt.Errorf("%s: %d is too small; write at least %d (%s), or 0 for no limit", name, n, least, what)
	}
	return nil
}

func checkRate(name string, rate float64) error {
	// Not a plain comparison with the bounds: NaN is below nothing and above nothing.
	if !(rate >= 0 && rate <= 1e9) {
		return fmt.Errorf("%s: %v is not a rate; write requests per second, such as 5 or 0.5, or 0 for no limit", name, rate)
	}
	return nil
}

func between[N int | int64](name string, n N, low, high N) error {
	if n < low || n > high {
		return fmt.Errorf("%s: %d is out of range; write a number from %d to %d", name, n, low, high)
	}
	return nil
}

func atLeast(name string, d, low time.Duration) error {
	if d < low {
		return fmt.Errorf("%s: %v is too short; write %v or more", name, d, low)
	}
	return nil
}

func atMost(name string, d, high time.Duration) error {
	if d > high {
		return fmt.Errorf("%s: %v is too long; write %v or less", name, d, high)
	}
	return nil
}

func oneOf(name, value string, choices ...string) error {
	if !slices.Contains(choices, value) {
		return fmt.Errorf("%s: %q is unknown; write one of: %s", name, value, strings.Join(choices, ", "))
	}
	return nil
}

// Package config is the settings of each process, one tagged struct per process, and the only reader of the environment.
// It says what is set and whether it makes sense; what a setting does is the business of the package that is given it.
package config

import (
	"runtime"
	"time"
)

// Service holds what every process of one installation must agree on.
type Service struct {
	RedisURL       string        `env:"REDIS_URL" envDefault:"redis://127.0.0.1:6379/0" help:"where the queue lives: redis://, rediss://, redis-sentinel://, redis-cluster:// or unix://"`
	QueueShards    int           `env:"QUEUE_SHARDS" envDefault:"1" help:"queues that the jobs are spread over, at most 256; several only for Redis Cluster; the same in every process"`
	JobTimeout     time.Duration `env:"JOB_TIMEOUT" envDefault:"10s" help:"wall clock a script may use; a request may ask for less, never for more"`
	JobMemoryMB    int           `env:"JOB_MEMORY_MB" envDefault:"100" help:"what a script may have in memory beyond Python and the preloaded libraries, in MB (2^20 bytes)"`
	JobOutputBytes int           `env:"JOB_OUTPUT_BYTES" envDefault:"1048576" help:"bytes kept of stdout, and as many of stderr; what is beyond is cut"`
	JobResultTTL   time.Duration `env:"JOB_RESULT_TTL" envDefault:"24h" help:"how long a finished job can still be fetched"`
	ResultsBytes   int64         `env:"RESULTS_BYTES" envDefault:"536870912" help:"bytes of finished jobs to keep: from half of it on they are kept for the shorter the less room there is; an outcome that does not fit becomes a failure; 0 is no limit"`
	ShutdownGrace  time.Duration `env:"SHUTDOWN_GRACE" envDefault:"30s" help:"how long a stopping process lets running work finish before it gives up"`
	LogLevel       string        `env:"LOG_LEVEL" envDefault:"info" help:"debug, info, warn or error"`
	LogFormat      string        `env:"LOG_FORMAT" envDefault:"text" help:"text or json"`
}

// API is the settings of the process that speaks HTTP.
type API struct {
	Service
	ListenAddr           string        `env:"LISTEN_ADDR" envDefault:"127.0.0.1:8080" image:"-" help:"address to serve HTTP on, port 0 picks a free one; where it is not set it is :8080 with API_KEYS, and :PORT with PORT"`
	Port                 string        `env:"PORT" image:"-" help:"as Cloud Run and others set it: the port to serve on when LISTEN_ADDR is not set"`
	APIKeys              APIKeys       `env:"API_KEYS" help:"who may call, comma-separated name:<sha256 of the key, hex>; empty lets everybody"`
	AllowedOrigins       Origins       `env:"ALLOWED_ORIGINS" help:"web pages that may call the service from a browser, comma-separated origins such as https://app.example.com; * for all; empty for none but the service's own"`
	AllowedHosts         Hosts         `env:"ALLOWED_HOSTS" help:"names that requests may call the service by, comma-separated; * for all; empty for addresses and localhost without API_KEYS, and for all with them"`
	ExecuteWait          time.Duration `env:"EXECUTE_WAIT" envDefault:"30s" help:"how long POST /execute waits before it answers 202 and where to look"`
	QueueLimit           int           `env:"QUEUE_LIMIT" envDefault:"1000" help:"jobs that may wait; beyond it the service answers 503 with Retry-After"`
	QueueShare           float64       `env:"QUEUE_SHARE" envDefault:"0.5" help:"part of the room that others leave in the queue which one client, a key or without keys an address, may fill; 1 is all of it"`
	QueueBytes           int64         `env:"QUEUE_BYTES" envDefault:"268435456" help:"bytes that the requests of all unfinished jobs may have together; beyond it the service answers 503 with Retry-After; 0 is no limit"`
	TrustedProxies       Prefixes      `env:"TRUSTED_PROXIES" help:"addresses or networks, comma-separated, of proxies whose X-Forwarded-For is believed: without keys the address is the client"`
	KeyJobsInFlight      int           `env:"KEY_JOBS_IN_FLIGHT" envDefault:"0" help:"jobs one key may have queued or running; 0 is no limit"`
	KeyRequestsPerSecond float64       `env:"KEY_REQUESTS_PER_SECOND" envDefault:"0" help:"submissions one key may make per second; 0 is no limit"`
	MaxScriptBytes       int           `env:"MAX_SCRIPT_BYTES" envDefault:"1048576" help:"longest script accepted, in bytes of UTF-8"`
	MaxRequestBytes      int64         `env:"MAX_REQUEST_BYTES" envDefault:"10485760" help:"longest request body accepted, files included"`
	MaxBatchJobs         int           `env:"MAX_BATCH_JOBS" envDefault:"1000" help:"requests that one batch may hold"`
	MaxBatchBytes        int64         `env:"MAX_BATCH_BYTES" envDefault:"10485760" help:"longest batch accepted; each request in it is also held to MAX_REQUEST_BYTES"`
}

// Worker is the settings of the process that runs scripts.
type Worker struct {
	Service
	Concurrency     int           `env:"WORKER_CONCURRENCY" envDefault:"0" help:"scripts run at the same time; 0 is one per core"`
	Addr            string        `env:"WORKER_ADDR" envDefault:":8081" standalone:"-" help:"address to serve the worker's health and metrics on"`
	Jail            string        `env:"JAIL" image:"-" envDefault:"auto" help:"auto, nsjail or bubblewrap; auto takes nsjail where it is installed"`
	JailIsolation   string        `env:"JAIL_ISOLATION" envDefault:"namespaces" help:"namespaces: refuse to start with less; auto: the strongest this host allows, said in the log; process: no namespaces, even where there are some"`
	JailSharedUID   string        `env:"JAIL_SHARED_UID" envDefault:"refuse" help:"a worker that is not root gives jobs at level process its own uid; refuse: do not start then; accept: start, with a job's filter alone between it and the worker's files, processes and Redis"`
	JailCgroup      string        `env:"JAIL_CGROUP" envDefault:"auto" help:"required: refuse to start unless cgroups bound memory, swap, processes and processor time; auto: as far as this host allows, said in the log; off: none"`
	JailPython      string        `env:"JAIL_PYTHON" envDefault:"/usr/bin/python3" help:"the Python that runs scripts, an absolute path"`
	JailPreload     Names         `env:"JAIL_PRELOAD" envDefault:"auto" image:"-" help:"libraries imported before a job arrives; auto: numpy, pandas, matplotlib, scipy, openpyxl, tabulate, lxml and PIL, those that are installed; python3-NAME: that of Debian's package, if installed; empty preloads nothing"`
	JailChroot      string        `env:"JAIL_CHROOT" image:"-" help:"a directory with Python and its libraries, which jobs are confined to where no namespaces can be made; the images have one"`
	JailMaxJobs     int           `env:"JAIL_MAX_JOBS" envDefault:"1000" help:"a warm jail is replaced after so many jobs; until the next one is warm it serves up to twice as many"`
	JailMaxAge      time.Duration `env:"JAIL_MAX_AGE" envDefault:"30m" help:"a warm jail is replaced after so long"`
	JailSpare       int           `env:"JAIL_SPARE" envDefault:"1" help:"warm jails of each kind beyond the slots, so that a job right behind another need not wait for the next process; 0 saves their memory"`
	JobDiskMB       int           `env:"JOB_DISK_MB" envDefault:"64" help:"size of a job's working directory, in MB (2^20 bytes)"`
	JobThreads      int           `env:"JOB_THREADS" envDefault:"16" help:"threads a script may have"`
	JobResultBytes  int           `env:"JOB_RESULT_BYTES" envDefault:"8388608" help:"longest result accepted, in bytes of JSON"`
	JobFiles        int           `env:"JOB_FILES" envDefault:"32" help:"files that a job made or changed and that are handed back with it, at most 1000; others are named"`
	JobFilesBytes   int           `env:"JOB_FILES_BYTES" envDefault:"4194304" help:"size of those files together; one that does not fit is named"`
	JobOutputs      int           `env:"JOB_OUTPUTS" envDefault:"32" help:"figures and other values that a job displays and that are kept, at most 1000; others are counted"`
	JobOutputsBytes int           `env:"JOB_OUTPUTS_BYTES" envDefault:"8388608" help:"size of those together, in bytes of JSON, pictures being base64; one that does not fit is counted"`
	CasesTimeout    time.Duration `env:"CASES_TIMEOUT" envDefault:"60s" help:"longest time that all cases of a job may take together; each has JOB_TIMEOUT"`
	CasesBytes      int           `env:"CASES_BYTES" envDefault:"8388608" help:"results, output and files that are kept of all cases of a job together, in bytes; the rest is cut"`
	DeniedNames     Names         `env:"DENIED_NAMES" envDefault:"subprocess,os,sys,eval,exec" help:"imports and calls that are refused before a script runs; empty refuses none: the jail is the wall"`
	// Ordinary programs begin with import sys.
	ProgramDeniedNames Names `env:"PROGRAM_DENIED_NAMES" help:"imports and calls that are refused before a script in mode program runs; empty refuses none"`
}

// A setting tagged image:"-" is one that the images set for themselves; deploy/example.env has it as a comment.

// Standalone is both in one process. It starts a Redis of its own unless REDIS_URL is set. A setting tagged standalone:"-" has
// no meaning here: there is one address, the API's.
type Standalone struct {
	API
	Worker
	DataDir        string `env:"DATA_DIR" image:"-" envDefault:"./data" help:"where standalone's own Redis keeps its data"`
	RedisMaxMemory int64  `env:"REDIS_MAXMEMORY" envDefault:"1073741824" help:"bytes of memory that standalone's own Redis may use; jobs are accepted up to 85 % of it; 0 is no limit"`
}

// Slots is how many scripts run at the same time: WORKER_CONCURRENCY, or one per core that this process may use.
func (w *Worker) Slots() int {
	if w.Concurrency > 0 {
		return w.Concurrency
	}
	return runtime.GOMAXPROCS(0)
}

// defaults are the places where standalone differs from the two processes it consists of: it must come up on a laptop.
func (*Standalone) defaults() map[string]string {
	return map[string]string{"REDIS_URL": "", "JAIL_ISOLATION": "auto"}
}

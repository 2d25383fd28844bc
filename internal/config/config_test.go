package config

import (
	"bufio"
	"math"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// environ is a Lookup over a map.
func environ(m map[string]string) Lookup {
	return func(key string) (string, bool) {
		v, ok := m[key]
		return v, ok
	}
}

func TestDefaults(t *testing.T) {
	var api API
	var worker Worker
	var both Standalone
	for _, cfg := range []Process{&api, &worker, &both} {
		if err := Load(cfg, environ(nil)); err != nil {
			t.Fatalf("%T: %v", cfg, err)
		}
	}
	service := Service{
		RedisURL: "redis://127.0.0.1:6379/0", QueueShards: 1, JobTimeout: 10 * time.Second, JobMemoryMB: 100, JobOutputBytes: 1 << 20,
		JobResultTTL: 24 * time.Hour, ResultsBytes: 512 << 20, ShutdownGrace: 30 * time.Second, LogLevel: "info", LogFormat: "text",
	}
	wantAPI := API{
		Service: service, ListenAddr: "127.0.0.1:8080", ExecuteWait: 30 * time.Second, QueueLimit: 1000, QueueShare: 0.5, QueueBytes: 256 << 20,
		MaxScriptBytes: 1 << 20, MaxRequestBytes: 10 << 20, MaxBatchJobs: 1000, MaxBatchBytes: 10 << 20,
	}
	if !reflect.DeepEqual(api, wantAPI) {
		t.Errorf("api\n got %+v\nwant %+v", api, wantAPI)
	}
	wantWorker := Worker{
		Service: service, Addr: ":8081", Jail: "auto", JailIsolation: "namespaces", JailSharedUID: "refuse",
		JailCgroup: "auto", JailPython: "/usr/bin/python3",
		JailPreload: Names{"auto"}, JailMaxJobs: 1000, JailMaxAge: 30 * time.Minute, JailSpare: 1, JobDiskMB: 64, JobThreads: 16,
		JobResultBytes: 8 << 20, JobFiles: 32, JobFilesBytes: 4 << 20, JobOutputs: 32, JobOutputsBytes: 8 << 20,
		DeniedNames:  Names{"subprocess", "os", "sys", "eval", "exec"},
		CasesTimeout: time.Minute, CasesBytes: 8 << 20,
	}
	if !reflect.DeepEqual(worker, wantWorker) {
		t.Errorf("worker\n got %+v\nwant %+v", worker, wantWorker)
	}
	if worker.Slots() < 1 {
		t.Errorf("Slots() = %d", worker.Slots())
	}
	wantAPI.RedisURL, wantWorker.RedisURL, wantWorker.JailIsolation = "", "", "auto"
	wantWorker.Addr = ""
	if want := (Standalone{API: wantAPI, Worker: wantWorker, DataDir: "./data", RedisMaxMemory: 1 << 30}); !reflect.DeepEqual(both, want) {
		t.Errorf("standalone\n got %+v\nwant %+v", both, want)
	}
}

func TestLoadSets(t *testing.T) {
	sum := strings.Repeat("ab", 32)
	for _, c := range []struct {
		name string
		env  map[string]string
		got  func(*Standalone) any
		want any
	}{
		{"both halves", map[string]string{"REDIS_URL": "rediss://u:p@h:1/2"}, func(s *Standalone) any { return s.API.RedisURL + s.Worker.RedisURL }, "rediss://u:p@h:1/2rediss://u:p@h:1/2"},
		{"list set empty", map[string]string{"DENIED_NAMES": ""}, func(s *Standalone) any { return len(s.DeniedNames) }, 0},
		{"list of blanks", map[string]string{"DENIED_NAMES": "  "}, func(s *Standalone) any { return len(s.DeniedNames) }, 0},
		{"preload set empty", map[string]string{"JAIL_PRELOAD": ""}, func(s *Standalone) any { return len(s.JailPreload) }, 0},
		{"list with blanks", map[string]string{"JAIL_PRELOAD": "auto  python3-sklearn"}, func(s *Standalone) any { return strings.Join(s.JailPreload, "+") }, "auto+python3-sklearn"},
		{"list trimmed", map[string]string{"DENIED_NAMES": " os, ,sys,"}, func(s *Standalone) any { return strings.Join(s.DeniedNames, "+") }, "os+sys"},
		{"number set empty", map[string]string{"QUEUE_LIMIT": ""}, func(s *Standalone) any { return s.QueueLimit }, 1000},
		{"number with blanks", map[string]string{"QUEUE_LIMIT": " 7 "}, func(s *Standalone) any { return s.QueueLimit }, 7},
		{"rate", map[string]string{"KEY_REQUESTS_PER_SECOND": "0.5"}, func(s *Standalone) any { return s.KeyRequestsPerSecond }, 0.5},
		{"duration", map[string]string{"JOB_TIMEOUT": "1m30s"}, func(s *Standalone) any { return s.Worker.JobTimeout }, 90 * time.Second},
		{"port", map[string]string{"PORT": "9000"}, func(s *Standalone) any { return s.ListenAddr }, ":9000"},
		{"port and address", map[string]string{"PORT": "9000", "LISTEN_ADDR": "127.0.0.1:1"}, func(s *Standalone) any { return s.ListenAddr }, "127.0.0.1:1"},
		{"port without keys", map[string]string{"PORT": "8080"}, func(s *Standalone) any { return s.ListenAddr }, ":8080"},
		{"keys alone", map[string]string{"API_KEYS": "ann:" + sum}, func(s *Standalone) any { return s.ListenAddr }, ":8080"},
		{"keys and port", map[string]string{"API_KEYS": "ann:" + sum, "PORT": "1"}, func(s *Standalone) any { return s.ListenAddr }, ":1"},
		{"keys and address", map[string]string{"API_KEYS": "ann:" + sum, "LISTEN_ADDR": "127.0.0.1:1"}, func(s *Standalone) any { return s.ListenAddr }, "127.0.0.1:1"},
		{"keys and blank address", map[string]string{"API_KEYS": "ann:" + sum, "LISTEN_ADDR": " "}, func(s *Standalone) any { return s.ListenAddr }, ":8080"},
		{"no keys in the list", map[string]string{"API_KEYS": " , "}, func(s *Standalone) any { return s.ListenAddr }, "127.0.0.1:8080"},
		{"everywhere without keys", map[string]string{"LISTEN_ADDR": ":8080"}, func(s *Standalone) any { return s.ListenAddr }, ":8080"},
		{"origins", map[string]string{"ALLOWED_ORIGINS": " https://A.example:443,http://localhost:3000,http://[::1]:80, chrome-extension://abc ,*"},
			func(s *Standalone) any { return strings.Join(s.AllowedOrigins, " ") }, "https://a.example http://localhost:3000 http://[::1] chrome-extension://abc *"},
		{"hosts", map[string]string{"ALLOWED_HOSTS": "api, *.Example.com,10.0.0.1,::1,*"},
			func(s *Standalone) any { return strings.Join(s.AllowedHosts, " ") }, "api *.example.com 10.0.0.1 ::1 *"},
		{"Cloud Run", map[string]string{"K_SERVICE": "python", "PORT": "8080"}, func(s *Standalone) any { return strings.Join(s.AllowedHosts, " ") + s.ListenAddr }, "*:8080"},
		{"Cloud Run with names", map[string]string{"K_SERVICE": "python", "ALLOWED_HOSTS": "a.example"}, func(s *Standalone) any { return strings.Join(s.AllowedHosts, " ") }, "a.example"},
		{"port and empty address", map[string]string{"PORT": "9000", "LISTEN_ADDR": ""}, func(s *Standalone) any { return s.ListenAddr }, ":9000"},
		{"keys", map[string]string{"API_KEYS": "ann:" + sum + ", bob:" + sum}, func(s *Standalone) any { return s.APIKeys[0].Name + s.APIKeys[1].Name }, "annbob"},
		{"key rotation", map[string]string{"API_KEYS": "ann:" + sum + ",ann:" + strings.ToUpper(sum)}, func(s *Standalone) any { return s.APIKeys[0] == s.APIKeys[1] }, true},
		{"concurrency", map[string]string{"WORKER_CONCURRENCY": "3"}, func(s *Standalone) any { return s.Slots() }, 3},
		{"isolation", map[string]string{"JAIL_ISOLATION": "namespaces"}, func(s *Standalone) any { return s.JailIsolation }, "namespaces"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var cfg Standalone
			if err := Load(&cfg, environ(c.env)); err != nil {
				t.Fatal(err)
			}
			if got := c.got(&cfg); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestLoadRefuses(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"JOB_TIMEOUT", "10", `"10" is not a duration; write a number and a unit`},
		{"JOB_TIMEOUT", "-1s", "too short"},
		{"JOB_TIMEOUT", "100h", "too long"},
		{"JOB_MEMORY_MB", "100MB", "is not a whole number; write digits only"},
		{"JOB_MEMORY_MB", "0", "write a number from 1 to"},
		{"JOB_MEMORY_MB", "99999999999999999999", "is not a whole number"},
		{"JOB_OUTPUT_BYTES", "-1", "write a number from"},
		{"JOB_RESULT_TTL", "0s", "write 10s or more"},
		{"MAX_REQUEST_BYTES", "ten", "is not a whole number"},
		{"MAX_SCRIPT_BYTES", "20971520", "raise the second or lower the first"},
		{"MAX_BATCH_JOBS", "0", "write a number from 1 to 10000"},
		{"MAX_BATCH_BYTES", "10MB", "is not a whole number"},
		{"KEY_REQUESTS_PER_SECOND", "lots", "is not a number; write one such as 5"},
		{"KEY_REQUESTS_PER_SECOND", "NaN", "is not a rate"},
		{"KEY_REQUESTS_PER_SECOND", "-1", "is not a rate"},
		{"KEY_JOBS_IN_FLIGHT", "-1", "write a number from 0"},
		{"QUEUE_LIMIT", "0", "write a number from 1"},
		{"QUEUE_SHARDS", "0", "write a number from 1"},
		{"QUEUE_SHARDS", "257", "write a number from 1 to 256"},
		{"LISTEN_ADDR", "8080", "is not host:port; write one such as :8080"},
		{"LISTEN_ADDR", ":99999", "is not host:port"},
		{"PORT", "eighty", "is not a port; write a number"},
		{"PORT", "70000", "is not a port"},
		{"REDIS_URL", "localhost:6379", "write one such as redis://127.0.0.1:6379/0"},
		{"REDIS_URL", "http://h", "write one such as redis://"},
		{"API_KEYS", "secret", "sha256sum"},
		{"API_KEYS", "ann:secret", "sha256sum"},
		{"API_KEYS", ":" + strings.Repeat("ab", 32), "sha256sum"},
		{"ALLOWED_ORIGINS", "app.example.com", "is no origin; write scheme, host and port"},
		{"ALLOWED_ORIGINS", "https://app.example.com/", "and nothing after them"},
		{"ALLOWED_ORIGINS", "https://app.example.com,null", `"null" is no origin`},
		{"ALLOWED_ORIGINS", "https://*.example.com", "is no origin"},
		{"ALLOWED_ORIGINS", "https://ann@app.example.com", "is no origin"},
		{"ALLOWED_HOSTS", "python.example.com:8080", "without scheme and port"},
		{"ALLOWED_HOSTS", "https://python.example.com", "is no host name"},
		{"ALLOWED_HOSTS", "a b", "is no host name"},
		{"ALLOWED_HOSTS", "*.", "is no host name"},
		{"ALLOWED_HOSTS", "p*.example.com", "is no host name"},
		{"JAIL", "docker", "write one of: auto, nsjail, bubblewrap"},
		{"JAIL_ISOLATION", "none", "write one of: namespaces, auto, process"},
		{"JAIL_CGROUP", "on", "write one of: auto, required, off"},
		{"JAIL_PYTHON", "python3", "is not an absolute path"},
		{"JAIL_PRELOAD", "numpy;pandas", "is not a Python name"},
		{"JAIL_PRELOAD", "python3-", "is not a Python name"},
		{"DENIED_NAMES", "os,../sys", "is not a Python name"},
		{"JAIL_MAX_JOBS", "0", "write a number from 1"},
		{"JAIL_SPARE", "-1", "write a number from 0"},
		{"JAIL_MAX_AGE", "0s", "write 1s or more"},
		{"WORKER_CONCURRENCY", "-1", "write a number from 0"},
		{"EXECUTE_WAIT", "-1s", "too short"},
		{"SHUTDOWN_GRACE", "-1s", "too short"},
		{"LOG_LEVEL", "loud", "write one of: debug, info"},
		{"LOG_FORMAT", "xml", "write one of: text, json"},
	} {
		t.Run(c.name+"="+c.value, func(t *testing.T) {
			var cfg Standalone
			err := Load(&cfg, environ(map[string]string{c.name: c.value}))
			if err == nil {
				t.Fatal("accepted")
			}
			if got := err.Error(); !strings.Contains(got, c.name) || !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %s and %q", got, c.name, c.want)
			}
			if strings.Count(err.Error(), "\n") > 0 {
				t.Errorf("said more than once: %q", err)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error repeats what may be a secret: %q", err)
			}
		})
	}
}

func TestLoadWorkerRefuses(t *testing.T) {
	err := Load(&Worker{}, environ(map[string]string{"WORKER_ADDR": "nowhere"}))
	if err == nil || !strings.Contains(err.Error(), "WORKER_ADDR") || !strings.Contains(err.Error(), "is not host:port") {
		t.Errorf("got %v", err)
	}
}

func TestLoadNamesEveryMistake(t *testing.T) {
	var cfg API
	err := Load(&cfg, environ(map[string]string{"JOB_TIMEOUT": "x", "QUEUE_LIMIT": "y"}))
	if err == nil || !strings.Contains(err.Error(), "JOB_TIMEOUT") || !strings.Contains(err.Error(), "QUEUE_LIMIT") {
		t.Errorf("got %v, want both variables named", err)
	}
}

func TestTableIsComplete(t *testing.T) {
	for _, cfg := range []Process{&API{}, &Worker{}, &Standalone{}} {
		table := Table(cfg)
		for _, v := range variables(cfg) {
			if v.name == "" || v.help == "" {
				t.Errorf("%T: field %s has no env or no help tag", cfg, v.field)
			}
			if n := strings.Count(table, "\n"+v.name+" "); n != 1 {
				t.Errorf("%T: %s is %d times in the table", cfg, v.name, n)
			}
		}
	}
	if table := Table(&Standalone{}); !strings.Contains(table, "JAIL_ISOLATION           auto") {
		t.Errorf("standalone's own default is not in its table:\n%s", table)
	}
}

// TestExampleEnv parses the file that is shipped: as it stands it must mean the defaults, in every process.
func TestExampleEnv(t *testing.T) {
	const path = "../../deploy/example.env"
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(content) != ExampleEnv() {
		t.Errorf("%s is not what ExampleEnv returns; write it anew with: go test ./internal/config -run ExampleEnv -update", path)
	}
	vars := map[string]string{}
	var on []string
	for lines := bufio.NewScanner(strings.NewReader(string(content))); lines.Scan(); {
		line := lines.Text()
		off := regexp.MustCompile("^#[A-Z]").MatchString(line)
		if line == "" || strings.HasPrefix(line, "#") && !off {
			continue
		}
		name, value, found := strings.Cut(strings.TrimPrefix(line, "#"), "=")
		if !found {
			t.Fatalf("not NAME=value: %q", line)
		}
		vars[name] = value
		if !off {
			on = append(on, name)
		}
	}
	// An env_file overrides what an image sets, with an empty value too.
	for _, dockerfile := range []string{"../../Dockerfile", "../../Dockerfile.api", "../../Dockerfile.worker"} {
		content, err := os.ReadFile(dockerfile)
		if err != nil {
			t.Fatal(err)
		}
		own := regexp.MustCompile("(?m)^ENV (.*)$").FindAllStringSubmatch(string(content), -1)
		if len(own) == 0 {
			t.Errorf("%s sets nothing", dockerfile)
		}
		for _, line := range own {
			for _, set := range strings.Fields(line[1]) {
				if name, _, _ := strings.Cut(set, "="); slices.Contains(on, name) {
					t.Errorf("%s of the example undoes that of %s; give it the tag image:\"-\"", name, dockerfile)
				}
			}
		}
	}
	for _, pair := range [][2]Process{{&API{}, &API{}}, {&Worker{}, &Worker{}}} {
		if err := Load(pair[0], environ(vars)); err != nil {
			t.Fatal(err)
		}
		if err := Load(pair[1], environ(nil)); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%T\n from the file %+v\n default       %+v", pair[0], pair[0], pair[1])
		}
	}
	for _, v := range slices.Concat(variables(&API{}), variables(&Worker{}), variables(&Standalone{})) {
		if _, there := vars[v.name]; !there {
			t.Errorf("%s is not in the file", v.name)
		}
	}
}

func TestCheckRateKnowsNaN(t *testing.T) {
	if checkRate("X", math.NaN()) == nil || checkRate("X", math.Inf(1)) == nil {
		t.Error("accepted")
	}
}

func TestLogger(t *testing.T) {
	var b strings.Builder
	s := Service{LogLevel: "warn", LogFormat: "json"}
	log := s.Logger(&b)
	log.Info("quiet")
	log.Warn("heard")
	if got := b.String(); strings.Contains(got, "quiet") || !strings.HasPrefix(got, "{") || !strings.Contains(got, `"heard"`) {
		t.Errorf("logged %q", got)
	}
}

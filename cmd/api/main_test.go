package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"safepy/internal/config"
	"safepy/internal/jobs"
	"safepy/internal/redisconn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// startRedis starts a real Redis on a unix socket and returns once it takes connections.
func startRedis(t *testing.T, socket string, args ...string) *os.Process {
	t.Helper()
	args = append([]string{"--port", "0", "--unixsocket", socket, "--save", "", "--dir", filepath.Dir(socket)}, args...)
	cmd := exec.Command("redis-server", args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.Contains(lines.Text(), "ready to accept connections") {
			// What it logs from now on fits into the pipe.
			return cmd.Process
		}
	}
	t.Fatal("redis-server ended before it was ready")
	return nil
}

// socket is a path short enough for a unix socket; t.TempDir is not always.
func socket(t *testing.T) string {
	dir, err := os.MkdirTemp("", "api")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "redis.sock")
}

// echoes answers with the script's own text.
type echoes struct{}

func (echoes) Run(_ context.Context, r *jobs.Request) (*jobs.Outcome, error) {
	return &jobs.Outcome{Result: json.RawMessage(`"` + r.Script + `"`), Stdout: r.Stdin}, nil
}

func startWorker(t *testing.T, url string) {
	t.Helper()
	rdb, err := redisconn.Open(url)
	if err != nil {
		t.Fatal(err)
	}
	server, err := jobs.NewServer(rdb, echoes{}, jobs.ServerOptions{Concurrency: 1, JobTimeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("worker: %v", err)
		}
		rdb.Close()
	})
}

// logWriter hands the program's log on, line by line, to the test's log and to whoever waits for a line.
type logWriter struct {
	t     *testing.T
	lines chan string
}

func (w logWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	select {
	case w.lines <- string(p):
	default:
	}
	return len(p), nil
}

// process is the program under test, running.
type process struct {
	t     *testing.T
	addr  string
	lines chan string
	stop  context.CancelFunc
	ended chan error
}

func start(t *testing.T, env map[string]string) *process {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	p := &process{t: t, lines: make(chan string, 1024), stop: stop, ended: make(chan error, 1)}
	env["LISTEN_ADDR"] = "127.0.0.1:0"
	lookup := func(key string) (string, bool) { v, ok := env[key]; return v, ok }
	go func() { p.ended <- run(ctx, nil, lookup, io.Discard, logWriter{t, p.lines}) }()
	line := p.awaitLog("msg=listening")
	_, p.addr, _ = strings.Cut(line, "addr=")
	p.addr, _, _ = strings.Cut(p.addr, " ")
	t.Cleanup(func() { stop() })
	return p
}

func (p *process) awaitLog(part string) string {
	p.t.Helper()
	over := time.After(20 * time.Second)
	for {
		select {
		case line := <-p.lines:
			if strings.Contains(line, part) {
				return strings.TrimSpace(line)
			}
		case err := <-p.ended:
			p.t.Fatalf("ended before it logged %s: %v", part, err)
		case <-over:
			p.t.Fatalf("never logged %s", part)
		}
	}
}

func (p *process) call(method, path, body string) (int, string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+p.addr+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, strings.TrimSpace(string(b))
}

func (p *process) stopAndWait() {
	p.t.Helper()
	p.stop()
	if err := <-p.ended; err != nil {
		p.t.Errorf("run: %v", err)
	}
}

const request = `{"script": "def main(): return 1 < 2", "stdin": "é\n"}`

func TestRun(t *testing.T) {
	sock := socket(t)
	startRedis(t, sock)
	p := start(t, map[string]string{"REDIS_URL": "unix://" + sock, "EXECUTE_WAIT": "15s"})
	if status, body := p.call("GET", "/ready", ""); status != 503 || !strings.Contains(body, "no live worker") {
		t.Errorf("ready without a worker: %d %s", status, body)
	}
	startWorker(t, "unix://"+sock)
	status, body := p.call("POST", "/execute", request)
	if want := `{"result":"def main(): return 1 < 2","stdout":"é\n"}`; status != 200 || body != want {
		t.Errorf("execute: %d %s, want %s", status, body, want)
	}
	if status, body := p.call("GET", "/ready", ""); status != 200 {
		t.Errorf("ready: %d %s", status, body)
	}
	status, body = p.call("POST", "/jobs", request)
	var job struct{ ID, Status string }
	if err := json.Unmarshal([]byte(body), &job); err != nil || status != 202 {
		t.Fatalf("jobs: %d %s", status, body)
	}
	if status, body = p.call("GET", "/jobs/"+job.ID+"?wait=10", ""); status != 200 || !strings.Contains(body, `"status":"completed"`) {
		t.Errorf("job: %d %s", status, body)
	}
	if status, body = p.call("GET", "/jobs?limit=1", ""); status != 200 || !strings.Contains(body, job.ID) {
		t.Errorf("list: %d %s", status, body)
	}
	if status, body = p.call("GET", "/jobs?cursor=nonsense", ""); status != 400 || !strings.Contains(body, "cursor") {
		t.Errorf("bad cursor: %d %s", status, body)
	}
	p.stopAndWait()
}

// TestRunBeforeRedis: whoever starts first, the API or Redis, the service comes up; until then it says 503 within 2 s.
func TestRunBeforeRedis(t *testing.T) {
	sock := socket(t)
	p := start(t, map[string]string{"REDIS_URL": "unix://" + sock})
	for _, r := range [][2]string{{"POST", "/execute"}, {"POST", "/jobs"}, {"GET", "/ready"}, {"GET", "/jobs"}} {
		begin := time.Now()
		status, body := p.call(r[0], r[1], request)
		if took := time.Since(begin); status != 503 || took > 2*time.Second {
			t.Errorf("%s %s: %d after %v: %s", r[0], r[1], status, took, body)
		}
	}
	if status, _ := p.call("GET", "/health", ""); status != 200 {
		t.Errorf("health: %d", status)
	}
	startRedis(t, sock)
	p.awaitLog("redis answers")
	startWorker(t, "unix://"+sock)
	if status, body := p.call("POST", "/execute", request); status != 200 {
		t.Errorf("execute: %d %s", status, body)
	}
	p.stopAndWait()
}

// TestRedisThatHangs: a Redis that is stopped takes connections and never answers.
func TestRedisThatHangs(t *testing.T) {
	sock := socket(t)
	redis := startRedis(t, sock)
	p := start(t, map[string]string{"REDIS_URL": "unix://" + sock})
	if err := redis.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	status, body := p.call("POST", "/execute", request)
	if took := time.Since(begin); status != 503 || took > 2*time.Second || !strings.Contains(body, `"unavailable"`) {
		t.Errorf("execute: %d after %v: %s", status, took, body)
	}
	if err := redis.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	startWorker(t, "unix://"+sock)
	if status, body := p.call("POST", "/execute", request); status != 200 {
		t.Errorf("execute: %d %s", status, body)
	}
	p.stopAndWait()
}

// TestRunEndsWhenALateRedisWillNotDo: the check that could not be made at the start is made up for.
func TestRunEndsWhenALateRedisWillNotDo(t *testing.T) {
	sock := socket(t)
	p := start(t, map[string]string{"REDIS_URL": "unix://" + sock})
	startRedis(t, sock, "--maxmemory-policy", "allkeys-lru")
	select {
	case err := <-p.ended:
		if err == nil || !strings.Contains(err.Error(), "noeviction") {
			t.Errorf("run: %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("still running")
	}
}

func TestRunRefuses(t *testing.T) {
	evicting, locked := socket(t), socket(t)
	startRedis(t, evicting, "--maxmemory-policy", "allkeys-lru")
	startRedisLocked(t, locked)
	for _, c := range []struct {
		name string
		args []string
		env  map[string]string
		want string
	}{
		{"a Redis that evicts", nil, map[string]string{"REDIS_URL": "unix://" + evicting}, "noeviction"},
		{"no password", nil, map[string]string{"REDIS_URL": "unix://" + locked}, "NOAUTH"},
		{"a bad setting", nil, map[string]string{"JOB_TIMEOUT": "soon"}, "JOB_TIMEOUT"},
		{"a bad URL", nil, map[string]string{"REDIS_URL": "redis://h:1/x/y"}, "REDIS_URL"},
		{"an argument", []string{"serve"}, nil, "--help"},
		{"an unknown flag", []string{"-x"}, nil, "-x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			lookup := func(key string) (string, bool) { v, ok := c.env[key]; return v, ok }
			err := run(t.Context(), c.args, lookup, io.Discard, io.Discard)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}

// startRedisLocked starts a Redis that wants a password; its ping is refused, so it is up when the socket is there.
func startRedisLocked(t *testing.T, sock string) {
	t.Helper()
	startRedis(t, sock)
	rdb, err := redisconn.Open("unix://" + sock)
	if err != nil {
		t.Fatal(err)
	}
	defer rdb.Close()
	if err := rdb.ConfigSet(t.Context(), "requirepass", "open-sesame").Err(); err != nil {
		t.Fatal(err)
	}
}

func TestHelpAndVersion(t *testing.T) {
	var help, version bytes.Buffer
	none := func(string) (string, bool) { return "", false }
	if err := run(t.Context(), []string{"--help"}, none, &help, io.Discard); !errors.Is(err, config.ErrHandled) {
		t.Errorf("--help: %v", err)
	}
	for _, want := range []string{"LISTEN_ADDR", ":8080", "API_KEYS", "EXECUTE_WAIT"} {
		if !strings.Contains(help.String(), want) {
			t.Errorf("--help has no %s:\n%s", want, &help)
		}
	}
	if err := run(t.Context(), []string{"--version"}, none, &version, io.Discard); !errors.Is(err, config.ErrHandled) || !strings.HasPrefix(version.String(), "api ") {
		t.Errorf("--version: %v %q", err, &version)
	}
}

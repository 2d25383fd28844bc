package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"safepy/internal/redisconn"
)

func TestMain(m *testing.M) {
	redisconn.SetLogger(slog.New(slog.DiscardHandler))
	if url := os.Getenv(workerURL); url != "" {
		workUntilKilled(url)
	}
	goleak.VerifyTestMain(m)
}

// redisServer is a real Redis of the test's own, on a unix socket.
type redisServer struct {
	t    testing.TB
	dir  string
	args []string
	cmd  *exec.Cmd
}

func startRedis(t testing.TB, args ...string) *redisServer {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("needs redis-server on PATH")
	}
	// Not t.TempDir: a unix socket's path must be short.
	dir, err := os.MkdirTemp("", "jobs")
	if err != nil {
		t.Fatal(err)
	}
	s := &redisServer{t: t, dir: dir, args: args}
	t.Cleanup(func() {
		s.kill()
		os.RemoveAll(dir)
	})
	s.start()
	return s
}

func (s *redisServer) socket() string { return filepath.Join(s.dir, "redis.sock") }
func (s *redisServer) url() string    { return "unix://" + s.socket() }

func (s *redisServer) start() {
	s.t.Helper()
	args := append([]string{"--port", "0", "--unixsocket", s.socket(), "--dir", s.dir, "--save", "", "--daemonize", "no"}, s.args...)
	s.cmd = exec.Command("redis-server", args...)
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	rdb := redis.NewClient(&redis.Options{Network: "unix", Addr: s.socket()})
	defer rdb.Close()
	eventually(s.t, 10*time.Second, "redis answers", func() bool {
		err := rdb.Ping(context.Background()).Err()
		return err == nil || strings.Contains(err.Error(), "NOAUTH")
	})
}

func (s *redisServer) kill() {
	if s.cmd.ProcessState == nil {
		s.cmd.Process.Signal(syscall.SIGCONT)
		s.cmd.Process.Kill()
		s.cmd.Wait()
	}
}

func (s *redisServer) pause() { s.cmd.Process.Signal(syscall.SIGSTOP) }

// client opens a client as the processes do.
func (s *redisServer) client() redis.UniversalClient { return open(s.t, s.url()) }

func open(t testing.TB, url string) redis.UniversalClient {
	t.Helper()
	rdb, err := redisconn.Open(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rdb.Close() })
	return rdb
}

// eventually is for what only Redis can tell, by being asked.
func eventually(t testing.TB, within time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(within)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", within, what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// runnerFunc is a Runner.
type runnerFunc func(ctx context.Context, r *Request) (*Outcome, error)

func (f runnerFunc) Run(ctx context.Context, r *Request) (*Outcome, error) { return f(ctx, r) }

// echo returns the script as the result.
func echo(_ context.Context, r *Request) (*Outcome, error) {
	return &Outcome{Result: []byte(fmt.Sprintf("%q", r.Script)), Stdout: "out", Usage: Usage{WallMS: 1}}, nil
}

func newTestQueue(t testing.TB, rdb redis.UniversalClient, o QueueOptions) *Queue {
	t.Helper()
	if o.Logger == nil {
		o.Logger = testLog(t)
	}
	q, err := NewQueue(rdb, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	return q
}

// serve runs a server until stop is called or the test ends.
func serve(t testing.TB, rdb redis.UniversalClient, run Runner, o ServerOptions) (stop func()) {
	t.Helper()
	if o.Logger == nil {
		o.Logger = testLog(t)
	}
	if o.StopGrace == 0 {
		o.StopGrace = 2 * time.Second
	}
	s, err := NewServer(rdb, run, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		<-done
	})
	t.Cleanup(stop)
	return stop
}

// testLog writes to t.Log.
func testLog(t testing.TB) *slog.Logger {
	if _, bench := t.(*testing.B); bench {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}

func submit(t testing.TB, q *Queue, script string, o SubmitOptions) *Job {
	t.Helper()
	j, err := q.Submit(context.Background(), &Request{Script: script}, o)
	if err != nil {
		t.Fatalf("submit: %v", err)
	}
	return j
}

func wait(t testing.TB, q *Queue, id string) *Job {
	t.Helper()
	j, err := q.Wait(context.Background(), id, time.Minute)
	if err != nil {
		t.Fatalf("wait: %v", err)
	}
	if !j.Status.Final() {
		t.Fatalf("job %s is still %s", id, j.Status)
	}
	return j
}

func z(score float64, member string) redis.Z { return redis.Z{Score: score, Member: member} }

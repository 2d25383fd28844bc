package harness

import (
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"testing"
	"time"
)

// Service is the service, running: api, workers and Redis, or standalone.
type Service struct {
	// URL is where the API is served, without a slash at the end.
	URL string
	// API is the process that serves it; standalone is one too.
	API *Process
	// Workers and Redis are nil where standalone is all three.
	Workers []*Process
	Redis   *Redis

	env []string
}

// StartService starts Redis (of the kind that go test's flag -redis names), the API and so many workers, each process with env
// besides, and waits until GET /ready says yes.
func StartService(t testing.TB, workers int, env ...string) *Service {
	t.Helper()
	return StartServiceOn(t, StartKind(t, *kind), workers, env...)
}

// StartServiceOn is StartService on a Redis that is there already.
func StartServiceOn(t testing.TB, redis *Redis, workers int, env ...string) *Service {
	t.Helper()
	s := &Service{Redis: redis, env: slices.Concat([]string{"REDIS_URL=" + redis.URL}, redis.Env, env)}
	for range workers {
		s.StartWorker(t)
	}
	s.API, s.URL = StartAPI(t, "api", s.env...)
	for _, w := range s.Workers {
		w.Await(Warm)
	}
	Ready(t, s.URL)
	return s
}

// StartStandalone starts standalone with an own folder for its own Redis.
func StartStandalone(t testing.TB, env ...string) *Service {
	t.Helper()
	s := &Service{env: append([]string{"DATA_DIR=" + t.TempDir()}, env...)}
	s.API, s.URL = StartAPI(t, "standalone", s.env...)
	s.API.Await(Warm)
	Ready(t, s.URL)
	return s
}

// Warm is what a worker says when its jails stand.
const Warm = "jails are warm"

// Proven is what it says next, when it has attacked them: from then on it may be stopped and continued. A proof has its time.
const Proven = "the walls stand"

// StartWorker adds one more worker and returns at once; Await(Warm) waits until it has its jails.
func (s *Service) StartWorker(t testing.TB, env ...string) *Process {
	t.Helper()
	all := append([]string{"WORKER_ADDR=127.0.0.1:0"}, s.env...)
	w := Start(t, "worker", append(all, env...)...)
	s.Workers = append(s.Workers, w)
	return w
}

// StartAPI starts api or standalone on a free port and returns when it listens.
func StartAPI(t testing.TB, program string, env ...string) (p *Process, url string) {
	t.Helper()
	p = Start(t, program, append([]string{"LISTEN_ADDR=127.0.0.1:0", "WORKER_ADDR=127.0.0.1:0"}, env...)...)
	return p, "http://" + p.Await(`msg=listening addr=(\S+)`)[1]
}

// Ready waits until GET /ready answers 200.
func Ready(t testing.TB, url string) {
	t.Helper()
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	ask := func() error {
		answer, err := client.Get(url + "/ready")
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("status %s", answer.Status)
		}
		return nil
	}
	// No event reaches from there to here: this is the one thing that is asked for again and again.
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for end := time.Now().Add(Patience); ; <-again.C {
		err := ask()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("not ready within %s: %v", Patience, err)
		}
	}
}

// Backends runs f once for each of the jail's backends, as a subtest; JAIL=<jail> chooses it. One whose program is missing is
// skipped, and says so.
func Backends(t *testing.T, f func(t *testing.T, jail string)) {
	for _, b := range []struct{ jail, program, hint string }{
		{"nsjail", "nsjail", "every image of ours has it"},
		{"bubblewrap", "bwrap", "Debian: apt-get install bubblewrap"},
	} {
		t.Run(b.jail, func(t *testing.T) {
			if _, err := exec.LookPath(b.program); err != nil {
				t.Skipf("%s is not on PATH (%s)", b.program, b.hint)
			}
			f(t, b.jail)
		})
	}
}

package api

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"safepy/internal/config"
	"safepy/internal/jobs"
)

func TestHealthAndReady(t *testing.T) {
	s := serve(t)
	if got := compact(t, s.do("GET", "/health", "").want(200).body); got != `{"status":"healthy"}` {
		t.Errorf("health %s", got)
	}
	if got := compact(t, s.do("GET", "/ready", "").want(200).body); got != `{"status":"ready"}` {
		t.Errorf("ready %s", got)
	}
	s.queue.set(func() { s.queue.err = errors.New("no live worker") })
	s.do("GET", "/ready", "").wantError(503, "not_ready", "no live worker")
	s.queue.set(func() { s.queue.err = fmt.Errorf("ready: %w: dial tcp 10.0.0.9:6379", jobs.ErrUnavailable) })
	if e := s.do("GET", "/ready", "").wantError(503, "not_ready", "queue"); strings.Contains(e.Error, "10.0.0.9") {
		t.Errorf("the address of Redis is public: %s", e.Error)
	}
	s.do("GET", "/health", "").want(200)
}

func TestRoutesThatAreNot(t *testing.T) {
	s := serve(t)
	s.do("GET", "/nowhere", "").wantError(404, "not_found", "/nowhere", "POST /execute")
	s.do("POST", "/nowhere", "{").wantError(404, "not_found", "/nowhere")
	s.do("GET", "/"+strings.Repeat("x", 5000), "").wantError(404, "not_found", "...")
	for _, c := range []struct{ method, path, allow string }{
		{"GET", "/execute", "POST"}, {"PUT", "/jobs", "POST"}, {"POST", "/health", "GET"}, {"PATCH", "/jobs/x", "DELETE"}, {"BREW", "/execute", "POST"},
	} {
		a := s.do(c.method, c.path, "")
		a.wantError(405, "method_not_allowed", c.method, c.allow)
		if !strings.Contains(a.Header.Get("Allow"), c.allow) {
			t.Errorf("%s %s: Allow %q", c.method, c.path, a.Header.Get("Allow"))
		}
	}
	for _, path := range []string{"/health", "/ready", "/jobs", "/metrics"} {
		if a := s.do("HEAD", path, "").want(200); len(a.body) != 0 {
			t.Errorf("HEAD %s has a body", path)
		}
	}
	a := s.do("OPTIONS", "/execute", "").want(204)
	if !strings.Contains(a.Header.Get("Allow"), "POST") || a.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("headers %v", a.Header)
	}
}

func TestTooLarge(t *testing.T) {
	s := serve(t, func(o *Options) { o.Limits.ScriptBytes, o.Limits.RequestBytes = 100, 1000 })
	s.queue.outcomes[strings.Repeat("x", 100)] = jobs.Outcome{Result: []byte(`1`)}
	s.do("POST", "/execute", script(strings.Repeat("x", 100))).want(200)
	e := s.do("POST", "/execute", script(strings.Repeat("x", 101))).wantError(413, "too_large", "script is 101 bytes", "at most 100", "files")
	if e.Stdout != nil {
		t.Error("stdout without a run")
	}
	// Exactly the limit is still read.
	body := script("x") + strings.Repeat(" ", 1000)
	s.queue.outcomes["x"] = jobs.Outcome{Result: []byte(`1`)}
	s.do("POST", "/execute", body[:1000]).want(200)
	a := s.do("POST", "/execute", body[:1001])
	if a.wantError(413, "too_large", "1000 bytes"); !a.Close {
		t.Error("the connection stays open, with the rest of a body on it")
	}
	req, _ := http.NewRequestWithContext(t.Context(), "POST", s.URL+"/jobs", struct{ io.Reader }{strings.NewReader(body[:1001])})
	if a := s.send(req); !a.Close || len(req.TransferEncoding) > 0 && req.TransferEncoding[0] != "chunked" {
		t.Error("chunked: the connection stays open")
	} else {
		a.wantError(413, "too_large", "1000 bytes")
	}
}

// TestTooLargeIsAnsweredBeforeTheBody: the announced length is enough; not one byte of the body has to come.
func TestTooLargeIsAnsweredBeforeTheBody(t *testing.T) {
	s := serve(t)
	for name, head := range map[string]string{
		"announced": "Content-Length: 99999999999\r\n\r\n",
		"chunked":   "Transfer-Encoding: chunked\r\n\r\nb00000\r\n" + strings.Repeat(" ", 10<<20) + "  ",
	} {
		conn, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.WriteString(conn, "POST /execute HTTP/1.1\r\nHost: localhost\r\n"+head); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		resp.Body.Close()
		if resp.StatusCode != 413 || !resp.Close {
			t.Errorf("%s: status %d, close %v", name, resp.StatusCode, resp.Close)
		}
	}
}

func TestBodyThatBreaksOff(t *testing.T) {
	s := serve(t)
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	io.WriteString(conn, "POST /execute HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
	conn.(*net.TCPConn).CloseWrite()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 400 {
		t.Errorf("status %d", resp.StatusCode)
	}
	s.do("GET", "/health", "").want(200)
}

func key(name, secret string) config.APIKey {
	return config.APIKey{Name: name, Hash: sha256.Sum256([]byte(secret))}
}

func TestAPIKeys(t *testing.T) {
	s := serve(t, func(o *Options) {
		o.Keys = config.APIKeys{key("ann", "a-secret"), key("bob", "b-secret"), key("ann", "a-new")}
	})
	private := [][2]string{{"POST", "/execute"}, {"POST", "/jobs"}, {"GET", "/jobs"}, {"GET", "/jobs/job-1"}, {"DELETE", "/jobs/job-1"}}
	for _, r := range private {
		for _, auth := range []string{"", "Bearer", "Bearer ", "Bearer wrong", "Basic a-secret", "a-secret", "Bearer " + strings.Repeat("x", 10_000)} {
			a := s.do(r[0], r[1], "", "Authorization", auth)
			a.wantError(401, "unauthorized", "key")
			if got := a.Header.Get("WWW-Authenticate"); !strings.HasPrefix(got, "Bearer") {
				t.Errorf("WWW-Authenticate %q", got)
			}
		}
	}
	for _, path := range []string{"/health", "/ready", "/metrics"} {
		s.do("GET", path, "").want(200)
	}
	s.do("GET", "/nowhere", "").want(404)

	ann, annNew, bob := "Bearer a-secret", "bearer  a-new", "Bearer b-secret"
	s.do("POST", "/jobs", script("endless"), "Authorization", ann).want(202)
	if got := s.queue.options[0].Client; got != "ann" {
		t.Errorf("client %q", got)
	}
	s.do("GET", "/jobs/job-1", "", "Authorization", ann).want(200)
	s.do("GET", "/jobs/job-1", "", "Authorization", annNew).want(200)
	s.do("GET", "/jobs/job-1", "", "Authorization", bob).wantError(404, "not_found", "no such job")
	s.do("GET", "/jobs/job-1?wait=5", "", "Authorization", bob).wantError(404, "not_found", "no such job")
	s.do("DELETE", "/jobs/job-1", "", "Authorization", bob).wantError(404, "not_found", "no such job")
	if len(s.queue.canceled) > 0 {
		t.Error("bob canceled ann's job")
	}
	var p wirePage
	if s.do("GET", "/jobs", "", "Authorization", bob).want(200).into(&p); len(p.Jobs) != 0 {
		t.Errorf("bob sees %+v", p)
	}
	if s.do("GET", "/jobs", "", "Authorization", annNew).want(200).into(&p); len(p.Jobs) != 1 {
		t.Errorf("ann sees %+v", p)
	}
	s.do("DELETE", "/jobs/job-1", "", "Authorization", ann).want(200)
}

func TestPanicIsAnsweredAndLogged(t *testing.T) {
	var log bytes.Buffer
	s := serve(t, func(o *Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	s.queue.set(func() { s.queue.panics = true })
	a := s.do("POST", "/execute", script("x"), "X-Request-Id", "my-request")
	a.wantError(500, "internal", "my-request")
	if a.Header.Get("X-Request-Id") != "my-request" {
		t.Errorf("X-Request-Id %q", a.Header.Get("X-Request-Id"))
	}
	s.do("GET", "/health", "").want(200)
	s.Close()
	for _, want := range []string{"the queue fell over", "stack=", "request_id=my-request", "status=500"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("log has no %s:\n%s", want, &log)
		}
	}
	if strings.Contains(string(a.body), "fell over") {
		t.Errorf("the panic went to the client: %s", a.body)
	}
}

func TestRequestIDs(t *testing.T) {
	s := serve(t)
	one, two := s.do("GET", "/health", "").Header.Get("X-Request-Id"), s.do("GET", "/health", "").Header.Get("X-Request-Id")
	if one == "" || one == two {
		t.Errorf("ids %q and %q", one, two)
	}
	for _, bad := range []string{"a b", strings.Repeat("x", 200), `"><script>`} {
		if got := s.do("GET", "/health", "", "X-Request-Id", bad).Header.Get("X-Request-Id"); got == bad || got == "" {
			t.Errorf("%q became %q", bad, got)
		}
	}
}

func TestMetrics(t *testing.T) {
	workers := prometheus.NewRegistry()
	workers.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "a_workers_own"}, func() float64 { return 7 }))
	s := serve(t, func(o *Options) { o.Gatherers = []prometheus.Gatherer{workers} })
	s.queue.outcomes["ok"] = jobs.Outcome{Result: []byte(`1`)}
	s.queue.outcomes["slow"] = jobs.Outcome{Error: &jobs.Error{Code: jobs.Timeout, Message: "Script execution failed"}}
	s.do("POST", "/execute", script("ok"))
	s.do("POST", "/execute", script("slow"))
	s.do("POST", "/execute", `{`)
	s.do("GET", "/jobs/some-id", "")
	s.do("GET", "/made/up/path", "")
	s.do("BREW", "/execute", "")
	s.queue.set(func() { s.queue.err = &jobs.BusyError{Scope: "service"} })
	s.do("POST", "/execute", script("ok"))
	a := s.do("GET", "/metrics", "").want(200)
	for _, want := range []string{
		`safepy_http_requests_total{method="POST",route="/execute",status="200"} 1`,
		`safepy_http_requests_total{method="POST",route="/execute",status="500"} 1`,
		`safepy_http_requests_total{method="POST",route="/execute",status="400"} 1`,
		`safepy_http_requests_total{method="POST",route="/execute",status="503"} 1`,
		`safepy_http_requests_total{method="GET",route="/jobs/:id",status="404"} 1`,
		`safepy_http_requests_total{method="GET",route="other",status="404"} 1`,
		`safepy_http_requests_total{method="other",route="/execute",status="405"} 1`,
		`safepy_http_request_duration_seconds_count{route="/execute"} 5`,
		`safepy_http_requests_in_flight 1`,
		`safepy_submits_total{outcome="accepted"} 2`,
		`safepy_submits_total{outcome="queue_full"} 1`,
		`safepy_executions_total{outcome="completed"} 1`,
		`safepy_executions_total{outcome="timeout"} 1`,
		`go_goroutines`, `a_workers_own 7`,
	} {
		if !strings.Contains(string(a.body), want) {
			t.Errorf("no %s", want)
		}
	}
}

// logLines is a log handler that hands each record to a channel.
type logLines struct {
	slog.Handler
	seen chan slog.Record
}

func (l logLines) Handle(ctx context.Context, r slog.Record) error {
	select {
	case l.seen <- r:
	default:
	}
	return l.Handler.Handle(ctx, r)
}

// TestServe starts the whole server on a free port and stops it with a call of /execute waiting: that call gets its answer,
// and a long poll is sent away at once with the job as it is.
func TestServe(t *testing.T) {
	q := newFakeQueue()
	lines := logLines{slog.NewTextHandler(t.Output(), nil), make(chan slog.Record, 16)}
	ctx, stop := context.WithCancel(t.Context())
	cfg := config.API{}
	if err := config.Load(&cfg, func(name string) (string, bool) {
		return map[string]string{"LISTEN_ADDR": "127.0.0.1:0"}[name], true
	}); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, cfg, q, slog.New(lines)) }()
	addr := ""
	for addr == "" {
		select {
		case r := <-lines.seen:
			r.Attrs(func(a slog.Attr) bool {
				if r.Message == "listening" && a.Key == "addr" {
					addr = a.Value.String()
				}
				return true
			})
		case err := <-served:
			t.Fatal(err)
		}
	}

	client := &http.Client{}
	defer client.CloseIdleConnections()
	var calls sync.WaitGroup
	got := map[string]string{}
	var mu sync.Mutex
	call := func(name, method, path, body string) {
		calls.Go(func() {
			req, _ := http.NewRequestWithContext(eventually(t), method, "http://"+addr+path, strings.NewReader(body))
			resp, err := client.Do(req)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				return
			}
			defer resp.Body.Close()
			b, _ := io.ReadAll(resp.Body)
			mu.Lock()
			defer mu.Unlock()
			got[name] = fmt.Sprint(resp.StatusCode, " ", string(b))
			if name == "poll" {
				// The poll is over before the job is; only now does the job end.
				q.finish("job-1", jobs.Outcome{Result: []byte(`42`)})
			}
		})
	}
	call("execute", "POST", "/execute", script("slow"))
	<-q.waiting
	call("poll", "GET", "/jobs/job-1?wait=30", "")
	<-q.waiting
	stop()
	calls.Wait()
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if want := "200 {\"result\":42,\"stdout\":\"\"}\n"; got["execute"] != want {
		t.Errorf("execute answered %q, want %q", got["execute"], want)
	}
	if !strings.HasPrefix(got["poll"], "200 ") || !strings.Contains(got["poll"], `"status":"queued"`) {
		t.Errorf("poll answered %q", got["poll"])
	}
	if _, err := net.Dial("tcp", addr); err == nil {
		t.Error("somebody still listens")
	}
}

func TestServeGivesUpAfterItsGrace(t *testing.T) {
	q := newFakeQueue()
	ctx, stop := context.WithCancel(t.Context())
	// Not to the test's own output: the call that is given up may log when the test is over.
	lines := logLines{slog.NewTextHandler(io.Discard, nil), make(chan slog.Record, 16)}
	cfg := config.API{ListenAddr: "127.0.0.1:0", ExecuteWait: time.Hour, MaxScriptBytes: 1000, MaxRequestBytes: 1000}
	cfg.ShutdownGrace = 10 * time.Millisecond
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, cfg, q, slog.New(lines)) }()
	r := <-lines.seen
	addr := ""
	r.Attrs(func(a slog.Attr) bool { addr = a.Value.String(); return false })
	client := &http.Client{}
	defer client.CloseIdleConnections()
	broken := make(chan error, 1)
	go func() {
		resp, err := client.Post("http://"+addr+"/execute", "application/json", strings.NewReader(script("endless")))
		if err == nil {
			resp.Body.Close()
		}
		broken <- err
	}()
	<-q.waiting
	stop()
	select {
	case err := <-served:
		if err != nil {
			t.Errorf("Serve: %v", err)
		}
	case <-eventually(t).Done():
		t.Fatal("still waiting")
	}
	if err := <-broken; err == nil {
		t.Error("the call got an answer")
	}
}

func TestServeSaysWhenItCannotListen(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	err = Serve(t.Context(), config.API{ListenAddr: taken.Addr().String()}, newFakeQueue(), slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "LISTEN_ADDR") {
		t.Errorf("got %v", err)
	}
}

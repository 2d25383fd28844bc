package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"safepy/test/harness"
	"safepy/test/openapi"
)

// request is the body of POST /execute and POST /jobs as a client writes it.
type request struct {
	Script string          `json:"script"`
	Mode   string          `json:"mode,omitempty"`
	Args   json.RawMessage `json:"args,omitempty"`
	Stdin  string          `json:"stdin,omitempty"`
	Files  []file          `json:"files,omitempty"`
	Limits *limits         `json:"limits,omitempty"`
}

type file struct {
	Path     string `json:"path"`
	Content  string `json:"content"`
	Encoding string `json:"encoding,omitempty"`
}

type limits struct {
	TimeoutMS int `json:"timeout_ms,omitempty"`
	MemoryMB  int `json:"memory_mb,omitempty"`
}

// success is all that a 200 from /execute holds.
type success struct {
	Result json.RawMessage `json:"result"`
	Stdout *string         `json:"stdout"`
}

// failure is all that any other answer may hold.
type failure struct {
	Error      string `json:"error"`
	Code       string `json:"code"`
	Limit      string `json:"limit"`
	Type       string `json:"type"`
	Line       int    `json:"line"`
	SourceLine string `json:"source_line"`
	Traceback  string `json:"traceback"`
	Stdout     string `json:"stdout"`
	Stderr     string `json:"stderr"`
}

// job is what GET /jobs/{id} says of one, as far as these tests look.
type job struct {
	ID       string          `json:"id"`
	Status   string          `json:"status"`
	Result   json.RawMessage `json:"result"`
	Stdout   string          `json:"stdout"`
	Stderr   string          `json:"stderr"`
	ExitCode *int            `json:"exit_code"`
	Files    []struct {
		Path     string `json:"path"`
		Size     int64  `json:"size"`
		MIME     string `json:"mime"`
		Content  string `json:"content"`
		Encoding string `json:"encoding"`
		Reason   string `json:"reason"`
	} `json:"files"`
	Truncated struct {
		Stdout  bool `json:"stdout"`
		Stderr  bool `json:"stderr"`
		Files   bool `json:"files"`
		Unnamed int  `json:"unnamed_files"`
	} `json:"truncated"`
	Usage struct {
		WallMS          float64 `json:"wall_ms"`
		CPUMS           float64 `json:"cpu_ms"`
		MemoryPeakBytes int64   `json:"memory_peak_bytes"`
	} `json:"usage"`
}

// answer is what came back over the wire.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// client speaks to one running service.
type client struct {
	url  string
	http *http.Client
}

func newClient(t *testing.T, url string) *client {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	// Every request and answer is held to openapi.json.
	return &client{url: url, http: &http.Client{Transport: openapi.Transport(t, transport), Timeout: harness.Patience}}
}

func (c *client) do(t *testing.T, method, path, contentType string, body []byte) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, c.url+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return c.send(t, r)
}

func (c *client) send(t *testing.T, r *http.Request) answer {
	t.Helper()
	got, err := c.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	all, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{status: got.StatusCode, header: got.Header, body: all}
}

func (c *client) execute(t *testing.T, r request) answer {
	t.Helper()
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(r); err != nil {
		t.Fatal(err)
	}
	return c.do(t, http.MethodPost, "/execute", "application/json", body.Bytes())
}

// job fetches the whole job behind an answer of /execute.
func (c *client) job(t *testing.T, a answer) (j job) {
	t.Helper()
	got := c.do(t, http.MethodGet, "/jobs/"+a.header.Get("X-Job-Id"), "", nil)
	if got.status != http.StatusOK {
		t.Fatalf("GET /jobs/%s: %d %s", a.header.Get("X-Job-Id"), got.status, got.body)
	}
	if err := json.Unmarshal(got.body, &j); err != nil {
		t.Fatalf("%v in %s", err, got.body)
	}
	return j
}

// succeeded decodes a 200, which holds a result and stdout and nothing else.
func (a answer) succeeded(t *testing.T) (result, stdout string) {
	t.Helper()
	if a.status != http.StatusOK {
		t.Fatalf("status %d: %s", a.status, a.body)
	}
	var s success
	a.decode(t, &s)
	if s.Result == nil || s.Stdout == nil {
		t.Fatalf("result and stdout are to be there: %s", a.body)
	}
	return string(s.Result), *s.Stdout
}

// failed decodes any other answer.
func (a answer) failed(t *testing.T, status int) (f failure) {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	a.decode(t, &f)
	if f.Error == "" {
		t.Fatalf("no error in %s", a.body)
	}
	if timeout := f.Code == "timeout"; timeout != (f.Limit == "wall" || f.Limit == "cpu") {
		t.Errorf("%s says that its limit is %q", f.Code, f.Limit)
	}
	return f
}

func (a answer) decode(t *testing.T, into any) {
	t.Helper()
	if kind := a.header.Get("Content-Type"); kind != "application/json" {
		t.Errorf("Content-Type is %q", kind)
	}
	decoder := json.NewDecoder(bytes.NewReader(a.body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
	if decoder.More() {
		t.Fatalf("more than one document: %s", a.body)
	}
}

// source is a script written in a table: its first line starts below the quote, so that lines count from there.
func source(table string) string { return strings.TrimPrefix(table, "\n") }

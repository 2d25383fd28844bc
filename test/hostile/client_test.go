package hostile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"
)

// job is the document of a job as it comes over the wire.
type job struct {
	ID     string          `json:"id"`
	Status string          `json:"status"`
	Result json.RawMessage `json:"result"`
	Stdout string          `json:"stdout"`
	Stderr string          `json:"stderr"`
	Error  *struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		Type    string `json:"type"`
	} `json:"error"`
	Files []struct {
		Path    string  `json:"path"`
		Size    int64   `json:"size"`
		Content *string `json:"content"`
		Reason  string  `json:"reason"`
	} `json:"files"`
	Usage struct {
		WallMS          float64 `json:"wall_ms"`
		CPUMS           float64 `json:"cpu_ms"`
		MemoryPeakBytes int64   `json:"memory_peak_bytes"`
	} `json:"usage"`
	Attempts int `json:"attempts"`

	// whole is the answer's body; took is how long it was in coming.
	whole []byte
	took  time.Duration
}

// request is what is sent to /jobs.
type request struct {
	Script string         `json:"script"`
	Args   map[string]any `json:"args,omitempty"`
	Files  []file         `json:"files,omitempty"`
	Limits map[string]int `json:"limits,omitempty"`
}

type file struct {
	Path    string `json:"path"`
	Content string `json:"content"`
}

var client = &http.Client{Timeout: 60 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// run sends a job and waits for its end.
func (s *service) run(t testing.TB, r request) *job {
	t.Helper()
	j, err := s.try(r)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// try is run for goroutines other than the test's own.
func (s *service) try(r request) (*job, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	post, err := http.NewRequest(http.MethodPost, s.URL+"/jobs", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	post.Header.Set("Content-Type", "application/json")
	post.Header.Set("Prefer", "wait=30")
	begun := time.Now()
	answer, err := client.Do(post)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	// More than every limit of the service together.
	const most = 64 << 20
	whole, err := io.ReadAll(io.LimitReader(answer.Body, most))
	if err != nil {
		return nil, err
	}
	j := &job{whole: whole, took: time.Since(begun)}
	if len(whole) == most {
		return nil, fmt.Errorf("an answer of more than %d bytes", most)
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %.1000s", answer.Status, whole)
	}
	if err := json.Unmarshal(whole, j); err != nil {
		return nil, fmt.Errorf("%w: %.1000s", err, whole)
	}
	if j.Status != "completed" && j.Status != "failed" {
		return nil, fmt.Errorf("the job is %s after %s", j.Status, j.took)
	}
	return j, nil
}

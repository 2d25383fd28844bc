package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// turn is what one stretch of load gave.
type turn struct {
	// MS are the latencies in milliseconds, of right answers only.
	MS []float64 `json:"ms"`
	// Phases are the service's own words on each of them, in the same order; nil where there are none.
	Phases   []phases      `json:"phases"`
	Elapsed  time.Duration `json:"elapsed"`
	Failures int           `json:"failures"`
	// Wrong are the first few failures.
	Wrong []string `json:"wrong"`
}

// phases of one job in milliseconds.
type phases struct {
	// Queue is its wait for a worker, Setup that for a walled process; Run the script's; Total all of it in the API.
	Queue, Setup, Run, Total float64
	// Fork, Namespaces and Walls are what making the process took, before the job came; known in-process only.
	Fork, Namespaces, Walls float64
}

// each is every phase by itself.
func (p *phases) each() []*float64 {
	return []*float64{&p.Queue, &p.Setup, &p.Run, &p.Total, &p.Fork, &p.Namespaces, &p.Walls}
}

// medians are those of each phase, over all jobs.
func medians(all []phases) (m phases) {
	for i, median := range m.each() {
		var values []float64
		for _, p := range all {
			values = append(values, *p.each()[i])
		}
		*median = quantile(values, 0.5)
	}
	return m
}

// drive keeps clients busy, each with one call at a time, until d is over or most calls were made; 0 is no bound. Calls that
// have begun are finished and count.
func drive(ctx context.Context, clients int, d time.Duration, most int, call func(client int) (phases, error)) turn {
	var t turn
	var mu sync.Mutex
	var calls atomic.Int64
	var group sync.WaitGroup
	begun := time.Now()
	for client := range clients {
		group.Go(func() {
			var own turn
			for time.Since(begun) < d && ctx.Err() == nil && (most == 0 || calls.Add(1) <= int64(most)) {
				before := time.Now()
				p, err := call(client)
				if err != nil {
					own.Failures++
					own.Wrong = append(own.Wrong, err.Error())
					if own.Failures >= 10 {
						break // it does not get better by trying on
					}
					continue
				}
				own.MS = append(own.MS, float64(time.Since(before))/1e6)
				own.Phases = append(own.Phases, p)
			}
			mu.Lock()
			defer mu.Unlock()
			t.add(own)
		})
	}
	group.Wait()
	t.Elapsed = time.Since(begun)
	return t
}

func (t *turn) add(more turn) {
	t.MS = append(t.MS, more.MS...)
	t.Phases = append(t.Phases, more.Phases...)
	t.Elapsed += more.Elapsed
	t.Failures += more.Failures
	t.Wrong = append(t.Wrong, more.Wrong...)
	t.Wrong = t.Wrong[:min(len(t.Wrong), 5)]
}

// httpLoad drives a server that answers POST /execute.
type httpLoad struct {
	url    string
	client *http.Client
	// right is a body of each scenario that was read and found right: equal ones need not be read again, which would cost the
	// machine as much as some of the jobs do.
	mu    sync.Mutex
	right map[*scenario][]byte
	// bodies are one for each client, kept from turn to turn: to grow 64 of them to a megabyte takes the machine as long as some jobs.
	bodies []bytes.Buffer
}

func newHTTPLoad(address string) *httpLoad {
	return &httpLoad{
		url:    "http://" + address + "/execute",
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1000, DisableCompression: true}, Timeout: 2 * time.Minute},
		right:  map[*scenario][]byte{},
	}
}

func (l *httpLoad) turn(ctx context.Context, s *scenario, clients int, d time.Duration) (turn, error) {
	request, err := json.Marshal(map[string]string{"script": s.script})
	if err != nil {
		return turn{}, err
	}
	if len(l.bodies) < clients {
		l.bodies = make([]bytes.Buffer, clients)
	}
	return drive(ctx, clients, d, s.most, func(client int) (phases, error) {
		return l.call(s, request, &l.bodies[client])
	}), nil
}

func (l *httpLoad) close() { l.client.CloseIdleConnections() }

func (l *httpLoad) call(s *scenario, request []byte, body *bytes.Buffer) (phases, error) {
	answer, err := l.client.Post(l.url, "application/json", bytes.NewReader(request))
	if err != nil {
		return phases{}, err
	}
	defer answer.Body.Close()
	body.Reset()
	if _, err := body.ReadFrom(io.LimitReader(answer.Body, 64<<20)); err != nil {
		return phases{}, err
	}
	if answer.StatusCode != http.StatusOK {
		return phases{}, fmt.Errorf("status %d: %s", answer.StatusCode, clip(strings.TrimSpace(body.String())))
	}
	if err := l.check(s, body.Bytes()); err != nil {
		return phases{}, err
	}
	return parseTiming(answer.Header.Get("Server-Timing")), nil
}

func (l *httpLoad) check(s *scenario, body []byte) error {
	l.mu.Lock()
	right := l.right[s]
	l.mu.Unlock()
	if right != nil && bytes.Equal(body, right) {
		return nil
	}
	var answer struct {
		Result json.RawMessage `json:"result"`
		Stdout string          `json:"stdout"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("body %s: %w", clip(string(body)), err)
	}
	if err := s.check(answer.Result, answer.Stdout); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.right[s] = slices.Clone(body)
	return nil
}

// parseTiming reads a Server-Timing header such as "queue;dur=0.250, setup;dur=1.000, run;dur=3.500, total;dur=5.250".
func parseTiming(header string) phases {
	var p phases
	for entry := range strings.SplitSeq(header, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(entry), ";dur=")
		ms, err := strconv.ParseFloat(value, 64)
		if err != nil {
			continue
		}
		switch name {
		case "queue":
			p.Queue = ms
		case "setup":
			p.Setup = ms
		case "run":
			p.Run = ms
		case "total":
			p.Total = ms
		}
	}
	return p
}

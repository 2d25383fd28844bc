// Package fairness has an honest client of two connections served beside one that sends whatever it likes, and compares with what the
// honest one has alone. `make fairness` measures every kind and prints a table.
package fairness

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"safepy/test/harness"
)

var (
	every = flag.Bool("every", false, "measure every kind of neighbour, for longer, and hold them to the promise")
	span  = flag.Duration("span", 3*time.Second, "how long each kind is measured")
)

const honest = "def main():\n    return 1"

// neighbour is what the other client sends, over so many connections.
type neighbour struct {
	name        string
	connections int
	short       bool // measured without -every
	request     map[string]any
}

var neighbours = []neighbour{
	{"exit loops", 4, true, script("while True:\n        sys.exit(1)")},
	{"spins 100 ms", 4, false, spins(0.1)},
	{"spins 1 s", 4, true, spins(1)},
	{"spins 10 s", 4, true, spins(10)},
	{"sleeps 10 s", 4, false, script("time.sleep(60)")},
	{"ignores signals", 4, false, script("[signal.signal(n, signal.SIG_IGN) for n in range(1, 32) if n not in (9, 19)]\n    while True: pass")},
	{"forks", 4, false, script("while True:\n        try: os.fork()\n        except OSError: pass")},
	{"floods its output", 4, false, script("while True: print('x' * 65536)")},
	{"memory to the limit", 4, true, script("a = []\n    while True: a.append(bytearray(1 << 20))")},
	{"files", 4, false, script("n = 0\n    while True:\n        n += 1\n        open(f'f{n % 50}', 'w').write('x' * 100000)")},
	{"pipes", 4, false, script("p = []\n    while True:\n        try: p.append(os.pipe())\n        except OSError: p.clear()")},
	{"priority high", 4, false, map[string]any{"script": spinning(0.1), "priority": "high"}},
	{"tiny requests, 64 connections", 64, false, map[string]any{"script": honest}},
}

func script(body string) map[string]any {
	return map[string]any{"script": "import os, signal, sys, time\ndef main():\n    " + body}
}

func spinning(seconds float64) string {
	return fmt.Sprintf("import time\ndef main():\n    end = time.monotonic() + %v\n    while time.monotonic() < end: pass", seconds)
}

func spins(seconds float64) map[string]any { return map[string]any{"script": spinning(seconds)} }

// client sends from an address of its own: without keys that is what tells clients apart.
func client(address string) *http.Client {
	from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	return &http.Client{Transport: &http.Transport{DialContext: from.DialContext, MaxIdleConnsPerHost: 128}, Timeout: time.Minute}
}

// load sends one request after the other over each connection until ctx ends, and returns how long each took.
func load(ctx context.Context, t *testing.T, c *http.Client, url string, connections int, request map[string]any, succeeds bool) []time.Duration {
	body, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	var took []time.Duration
	for range connections {
		wg.Go(func() {
			for ctx.Err() == nil {
				began := time.Now()
				r, _ := http.NewRequestWithContext(ctx, "POST", url+"/execute?cancel_on_disconnect=1", bytes.NewReader(body))
				answer, err := c.Do(r)
				if err != nil {
					if ctx.Err() == nil {
						t.Error(err)
					}
					return
				}
				text, _ := io.ReadAll(answer.Body)
				answer.Body.Close()
				if succeeds && answer.StatusCode != http.StatusOK && ctx.Err() == nil {
					t.Errorf("the honest client got %d: %s", answer.StatusCode, text)
				}
				mu.Lock()
				took = append(took, time.Since(began))
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return took
}

type figures struct {
	rate float64
	p99  time.Duration
}

func measure(t *testing.T, url string, most time.Duration) figures {
	ctx, cancel := context.WithTimeout(context.Background(), most)
	defer cancel()
	c := client("127.0.0.1")
	defer c.CloseIdleConnections()
	took := load(ctx, t, c, url, 2, map[string]any{"script": honest}, true)
	slices.Sort(took)
	if len(took) == 0 {
		return figures{p99: most}
	}
	return figures{rate: float64(len(took)) / most.Seconds(), p99: took[len(took)*99/100]}
}

// TestHonestNeighbour: whatever the other sends, the honest client goes on being served. The short form holds it to a third of the
// promise, since a test may be run on a busy machine.
func TestHonestNeighbour(t *testing.T) {
	for _, slots := range []int{1, 2} {
		t.Run(fmt.Sprintf("%d slots", slots), func(t *testing.T) {
			s := harness.StartStandalone(t, fmt.Sprintf("WORKER_CONCURRENCY=%d", slots), "DENIED_NAMES=", "JAIL_PRELOAD=")
			for _, n := range neighbours {
				if n.short || *every {
					t.Run(n.name, func(t *testing.T) { beside(t, s.URL, slots, n) })
				}
			}
		})
	}
}

// beside measures the honest client alone, and then beside the neighbour: through jobs of ten seconds and what it is owed after them.
func beside(t *testing.T, url string, slots int, n neighbour) {
	alone := measure(t, url, *span)
	ctx, cancel := context.WithCancel(context.Background())
	var other sync.WaitGroup
	c := client("127.0.0.2")
	other.Go(func() { load(ctx, t, c, url, n.connections, n.request, false) })
	least, during := 0.35/3, 24*time.Second
	if *every {
		least, during = 0.35, 44*time.Second
	}
	both := measure(t, url, max(*span, during))
	cancel()
	other.Wait()
	c.CloseIdleConnections()
	part := both.rate / alone.rate
	t.Logf("| %d | %s | %.0f | %.0f | %.2f | %s | %s |", slots, n.name, alone.rate, both.rate, part,
		alone.p99.Round(100*time.Microsecond), both.p99.Round(100*time.Microsecond))
	if part < least {
		t.Errorf("beside one that %s, an honest client has %.2f of its rate", n.name, part)
	}
	if most := 10*time.Second + 2*alone.p99 + time.Second; both.p99 > most {
		t.Errorf("beside one that %s, an honest client's p99 is %s", n.name, both.p99)
	}
}

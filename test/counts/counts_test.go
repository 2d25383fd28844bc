// Package counts holds what a job costs in units that a busy machine does not change: page faults and system calls of the whole
// service, commands and bytes to and from Redis.
package counts

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sys/unix"

	"safepy/test/harness"
	"safepy/test/perf"
)

const (
	// The cheapest of so many groups of jobs counts: what a busy machine adds, looks at a job that takes long and polls of the queue, it
	// does not add to each.
	groups, jobs = 5, 10
	warmUp       = 30
	// within is how far a count may be from what stands here. One that is further down is to be written here as well.
	within = 0.25
)

// cost is that of one job.
type cost struct{ pageFaults, systemCalls, redisCommands, redisBytes float64 }

// minus is what was spent since, for each job of a group.
func (c cost) minus(before cost) cost {
	return cost{
		(c.pageFaults - before.pageFaults) / jobs, (c.systemCalls - before.systemCalls) / jobs,
		(c.redisCommands - before.redisCommands) / jobs, (c.redisBytes - before.redisBytes) / jobs,
	}
}

func (c cost) orLess(o cost) cost {
	return cost{
		min(c.pageFaults, o.pageFaults), min(c.systemCalls, o.systemCalls), min(c.redisCommands, o.redisCommands), min(c.redisBytes, o.redisBytes),
	}
}

// Each with one client, and a job that begins when the one before it has been answered: from what it costs where a slot is free by then,
// and every job is dispatched, to where the machine is busy with other things, and every job waits in a queue.
var kinds = []struct {
	name, script string
	from, to     cost
}{
	{"hello", "def main():\n    return {'message': 'Hello'}\n", cost{51, 124, 48.6, 3400}, cost{51, 145, 82, 5700}},
	{"numpy", "import numpy as np\n\ndef main():\n    n = [1, 2, 3, 4, 5]\n    return {'sum': sum(n), 'mean': np.mean(n), 'std': np.std(n)}\n",
		cost{93, 132, 51, 3700}, cost{132, 166, 84, 5700}},
	{"pandas", "import pandas as pd\n\ndef main():\n    df = pd.DataFrame({'A': [1, 2, 3], 'B': [4, 5, 6]})\n" +
		"    return {'sum': df.sum().to_dict(), 'mean': df.mean().to_dict()}\n", cost{155, 140, 55, 4000}, cost{165, 200, 84, 5900}},
}

func TestCounts(t *testing.T) {
	harness.Backends(t, func(t *testing.T, jail string) {
		counters, err := perf.New(unix.SYS_PREAD64)
		if errors.Is(err, perf.ErrForbidden) {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		defer counters.Close()
		server := harness.StartRedis(t)
		rdb := server.Client(t) // one for all readings: what it takes to connect is nobody's job
		program, err := harness.PlainBinary("standalone")
		if err != nil {
			t.Fatal(err)
		}
		var service *harness.Process
		counters.Do(func() {
			service = harness.StartCommand(t, "standalone", exec.Command(program), "REDIS_URL="+server.URL, "JAIL="+jail, "WORKER_CONCURRENCY=2",
				"LISTEN_ADDR=127.0.0.1:0", "WORKER_ADDR=127.0.0.1:0", "JAIL_MAX_JOBS=100000", "LOG_LEVEL=info")
		})
		url := "http://" + service.Await(`msg=listening addr=(\S+)`)[1]
		service.Await(harness.Proven)
		harness.Ready(t, url)
		for _, k := range kinds {
			t.Run(k.name, func(t *testing.T) {
				run(t, url, k.script, warmUp)
				var least cost
				for group := range groups {
					before := read(t, counters, rdb)
					run(t, url, k.script, jobs)
					spent := read(t, counters, rdb).minus(before)
					if group == 0 {
						least = spent
					}
					least = least.orLess(spent)
				}
				for _, c := range []struct {
					what          string
					got, from, to float64
				}{
					{"page faults", least.pageFaults, k.from.pageFaults, k.to.pageFaults},
					{"system calls", least.systemCalls, k.from.systemCalls, k.to.systemCalls},
					{"commands to Redis", least.redisCommands, k.from.redisCommands, k.to.redisCommands},
					{"bytes to and from Redis", least.redisBytes, k.from.redisBytes, k.to.redisBytes},
				} {
					t.Logf("%s per job: %.1f", c.what, c.got)
					if c.got < c.from*(1-within) || c.got > c.to*(1+within) {
						t.Errorf("%.1f %s per job, and %.1f to %.1f stand here", c.got, c.what, c.from, c.to)
					}
				}
			})
		}
	})
}

// run sends jobs one after the other.
func run(t *testing.T, url, script string, n int) {
	t.Helper()
	body, err := json.Marshal(map[string]string{"script": script})
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for range n {
		answer, err := client.Post(url+"/execute", "application/json", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Fatalf("%s %s: %v", answer.Status, text, err)
		}
	}
}

func read(t *testing.T, counters *perf.Counters, rdb *redis.Client) cost {
	t.Helper()
	counted, err := counters.Read()
	if err != nil {
		t.Fatal(err)
	}
	text, err := rdb.Info(t.Context(), "stats").Result()
	if err != nil {
		t.Fatal(err)
	}
	info := map[string]float64{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		info[name], _ = strconv.ParseFloat(value, 64)
	}
	return cost{
		float64(counted.PageFaults), float64(counted.SystemCalls), info["total_commands_processed"],
		info["total_net_input_bytes"] + info["total_net_output_bytes"],
	}
}

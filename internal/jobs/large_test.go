package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"safepy/internal/redisconn"

	"safepy/test/ports"
)

// TestLargeOutcomes: what is too long for the document arrives as it was, whoever asks and however.
func TestLargeOutcomes(t *testing.T) {
	s := startRedis(t)
	rdb := s.client()
	q, other := newTestQueue(t, rdb, QueueOptions{}), newTestQueue(t, s.client(), QueueOptions{})
	text := func(n int) string { return strings.Repeat("é\"\\\n\x00<", n/7+1) }
	large, small := text(maxInline), text(10)
	list := `["` + strings.Repeat("y", maxInline) + `",1.10,1e400]`
	for name, o := range map[string]*Outcome{
		"stdout": {Result: []byte(`1`), Stdout: large},
		"stderr": {Result: []byte(`1`), Stdout: small, Stderr: large},
		"result": {Result: []byte(list), Stdout: small},
		"all":    {Result: []byte(list), Stdout: large, Stderr: large + "!", Truncated: Truncated{Stderr: true}},
		"many that fit": {Result: []byte(`"` + strings.Repeat("z", minApart-10) + `"`), Stdout: text(maxInline - 100),
			Stderr: text(minApart - 20)},
		"failed":          {Stdout: large, Stderr: large, Error: &Error{Code: Timeout, Message: "m"}},
		"no character":    {Result: []byte(`1`), Stdout: large + "\xff\xfe", Stderr: "\xff"},
		"spaces":          {Result: []byte(strings.ReplaceAll(list, ",", " ,\n "))},
		"not JSON at all": {Result: []byte(list[1:]), Stdout: large},
	} {
		t.Run(name, func(t *testing.T) {
			stop := serve(t, s.client(), runnerFunc(func(context.Context, *Request) (*Outcome, error) { c := *o; return &c, nil }), ServerOptions{})
			j := submit(t, q, name, SubmitOptions{Reply: true, Client: "ann"})
			got := map[string]*Job{"by bell": wait(t, q, j.ID), "of another process": wait(t, other, j.ID)}
			var err error
			if got["by record"], err = q.Get(t.Context(), j.ID); err != nil {
				t.Fatal(err)
			}
			wantStatus, wantResult, wantError := Completed, string(o.Result), o.Error
			switch name {
			case "failed":
				wantStatus = Failed
			case "spaces":
				wantResult = list
			case "not JSON at all":
				wantStatus, wantResult, wantError = Failed, "", &Error{Code: Internal, Message: "the outcome could not be written"}
			}
			for how, j := range got {
				// encoding/json says what becomes of bytes that are no characters.
				if j.Status != wantStatus || j.Stdout != throughJSON(t, o.Stdout) || j.Stderr != throughJSON(t, o.Stderr) ||
					j.Truncated != o.Truncated {
					t.Errorf("%s: %s, %d bytes of stdout, %d of stderr", how, j.Status, len(j.Stdout), len(j.Stderr))
				}
				if r := strings.TrimSuffix(string(j.Result), "null"); r != wantResult || !j.ResultChecked {
					t.Errorf("%s: result %.60q, want %.60q", how, r, wantResult)
				}
				if fmt.Sprint(j.Error) != fmt.Sprint(wantError) && (j.Error == nil || wantError == nil || *j.Error != *wantError) {
					t.Errorf("%s: error %+v", how, j.Error)
				}
				if j.ID == "" || j.Attempts != 1 || j.Client != "ann" || j.FinishedAt == nil || j.Usage == nil {
					t.Errorf("%s: %s, attempts %d, of %q", how, j.ID, j.Attempts, j.Client)
				}
			}
			page, err := q.List(t.Context(), ListOptions{Limit: 1})
			if err != nil || len(page.Jobs) != 1 || page.Jobs[0].ID != j.ID || page.Jobs[0].Stdout != "" {
				t.Errorf("list: %+v, %v", page, err)
			}
			stop()
		})
	}
}

func throughJSON(t *testing.T, s string) (back string) {
	t.Helper()
	b, err := json.Marshal(s)
	if err == nil {
		err = json.Unmarshal(b, &back)
	}
	if err != nil {
		t.Fatal(err)
	}
	return back
}

// TestLargeOutcomeAfterTheFirst: of two large outcomes the first stands, in all its parts.
func TestLargeOutcomeAfterTheFirst(t *testing.T) {
	s := startRedis(t)
	rdb := s.client()
	q := newTestQueue(t, rdb, QueueOptions{})
	j := submit(t, q, "x", SubmitOptions{Reply: true})
	b := newBroker(rdb, q.layout, 1, testLog(t))
	if err := b.poll(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := b.slots.next().begin
	if c == nil {
		t.Fatal("no job was taken")
	}
	for i, letter := range []string{"a", "b"} {
		o := &Outcome{Result: []byte("1"), Stdout: strings.Repeat(letter, 2*maxInline)}
		if i == 1 {
			o = &Outcome{Error: &Error{Code: Timeout, Message: "m"}, Stderr: strings.Repeat(letter, 2*maxInline)}
		}
		doc, apart, err := encodeDocument(document(c, Completed, o, time.Now()))
		if err != nil {
			t.Fatal(err)
		}
		won, err := b.finish(t.Context(), c, ending{status: Completed, err: o.Error, finished: time.Now(), doc: doc, apart: apart})
		if err != nil || won != (i == 0) {
			t.Fatalf("outcome %d: won %v, %v", i, won, err)
		}
	}
	if got := wait(t, q, j.ID); got.Stdout != strings.Repeat("a", 2*maxInline) || got.Stderr != "" || got.Error != nil {
		t.Errorf("%d bytes of stdout, %d of stderr, %+v", len(got.Stdout), len(got.Stderr), got.Error)
	}
}

// BenchmarkLargeOutput is one job at a time that prints much, from submission to outcome, with what it costs in CPU time: this
// process, which is API and worker, and Redis, which keeps its log as deployed.
//
//	go test -run '^$' -bench LargeOutput ./internal/jobs
func BenchmarkLargeOutput(b *testing.B) {
	line := strings.Repeat("x", 63) + "\n"
	for _, size := range []int{64, 8 << 10, 24 << 10, 48 << 10, 256 << 10, 1 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			port := ports.For(b)
			startRedis(b, "--port", port, "--appendonly", "yes")
			url := "redis://127.0.0.1:" + port
			outcome := &Outcome{Result: []byte("null"), Stdout: strings.Repeat(line, size/len(line))}
			serve(b, open(b, url), runnerFunc(func(context.Context, *Request) (*Outcome, error) { c := *outcome; return &c, nil }),
				ServerOptions{Concurrency: 2})
			o := &oursBench{q: newTestQueue(b, open(b, url), QueueOptions{ResultTTL: 2 * time.Second})}
			rdb := open(b, url)
			o.roundTrip(b)
			ours, theirs, n := ownCPU(b), redisCPU(b, rdb), 0
			for b.Loop() {
				o.roundTrip(b)
				n++
			}
			b.ReportMetric((ownCPU(b)-ours)/float64(n)*1e3, "own-cpu-ms/job")
			b.ReportMetric((redisCPU(b, rdb)-theirs)/float64(n)*1e3, "redis-cpu-ms/job")
		})
	}
}

// ownCPU is the CPU time of this process in seconds.
func ownCPU(b *testing.B) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// redisCPU is Redis' CPU time in seconds, with that of the children that rewrite its log.
func redisCPU(b *testing.B, rdb redis.UniversalClient) float64 {
	info, err := rdb.Info(context.Background(), "cpu").Result()
	if err != nil {
		b.Fatal(err)
	}
	sum := 0.0
	for _, field := range []string{"used_cpu_sys", "used_cpu_user", "used_cpu_sys_children", "used_cpu_user_children"} {
		var v float64
		if _, err := fmt.Sscan(redisconn.InfoField(info, field), &v); err != nil {
			b.Fatalf("%s: %v", field, err)
		}
		sum += v
	}
	return sum
}

package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// fields are a record's as parseRecord gets them.
func fields(named map[string]string) []any {
	values := make([]any, len(recordFields))
	for i, name := range recordFields {
		if value, ok := named[name]; ok {
			values[i] = value
		}
	}
	return values
}

func TestParseRecordOfAnybody(t *testing.T) {
	const id = "01a2060b-1111-7e45-a32b-8b16047cb600"
	for name, record := range map[string]map[string]string{
		"nothing": {}, "another hash": {"name": "x", "s": "on"}, "no state of ours": {"s": "archived", "c": "1"},
	} {
		if j := parseRecord(id, fields(record)); j != nil {
			t.Errorf("%s: %+v", name, j)
		}
	}
	long := strings.Repeat("é", 1<<20)
	for name, record := range map[string]map[string]string{
		"no time of creation":   {"s": "queued"},
		"times that are none":   {"s": "running", "c": "x", "st": "-5", "fin": "99999999999999999999", "n": "many"},
		"a year of five digits": {"s": "completed", "c": "999999999999999999", "fin": "999999999999999999"},
		"a document of another": {"s": "completed", "doc": `{"id":"other","status":"completed"}`},
		"no document":           {"s": "completed", "doc": "\xff{", "out": "x"},
		"a document of a list":  {"s": "failed", "doc": `[]`},
		"long texts":            {"s": "failed", "ec": long, "em": long},
		"long texts in the document": {"s": "failed", "doc": `{"id":"` + id + `","status":"failed","error":{"code":"` + long +
			`","message":"` + long + `","type":"` + long + `","source_line":"` + long + `","traceback":"` + long + `"}}`},
	} {
		j := parseRecord(id, fields(record))
		if j == nil || j.ID != id || j.Files == nil {
			t.Errorf("%s: %+v", name, j)
			continue
		}
		said, err := json.Marshal(j)
		if err != nil || len(said) > 100<<10 {
			t.Errorf("%s: %d bytes, %v", name, len(said), err)
		}
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add("completed", "1", "2", "3", "1", `{"id":"i","status":"completed","files":null}`, "x", "1")
	f.Add("failed", "", "-1", "x", "", `{"id":"i","status":"failed","error":{"line":-1}}`, "", "")
	f.Add("queued", "999999999999999999", "", "", "", "", "", "")
	f.Fuzz(func(t *testing.T, s, c, st, fin, n, doc, code, message string) {
		j := parseRecord("i", fields(map[string]string{"s": s, "c": c, "st": st, "fin": fin, "n": n, "doc": doc, "ec": code, "em": message}))
		if j == nil {
			return
		}
		if j.ID != "i" || !j.Status.known() || j.Files == nil {
			t.Fatalf("%+v", j)
		}
		if e := j.Error; e != nil && (len(e.Message) > maxMessage || len(e.Code) > maxCode || len(e.Type) > maxType ||
			len(e.Traceback) > maxTraceback) {
			t.Fatalf("%+v", e)
		}
		if _, err := json.Marshal(j); err != nil {
			t.Fatal(err)
		}
	})
}

// What lies in Redis under a name of ours and is not of ours breaks nothing: no list, no read, no job of another.
func TestForeignRecords(t *testing.T) {
	s := startRedis(t)
	rdb := s.client()
	q := newTestQueue(t, rdb, QueueOptions{ClientInFlight: 50})
	ctx := context.Background()
	mine := wait0(t, q, "before")
	now := float64(time.Now().UnixMicro())
	plant := func(write func(key string) error) string {
		id := newID(3)
		l, _ := laneOf(id)
		if err := errors.Join(write(l.record(id)), rdb.ZAdd(ctx, l.index(), z(now, id)).Err(),
			rdb.ZAdd(ctx, clientJobs("ann"), z(1, id)).Err()); err != nil {
			t.Fatal(err)
		}
		return id
	}
	text := plant(func(key string) error { return rdb.Set(ctx, key, "garbage", 0).Err() })
	list := plant(func(key string) error { return rdb.RPush(ctx, key, "garbage").Err() })
	hash := plant(func(key string) error { return rdb.HSet(ctx, key, "s", "on", "c", "x", "doc", "\xff").Err() })
	timeless := plant(func(key string) error { return rdb.HSet(ctx, key, "s", "queued", "cl", "ann").Err() })
	ended := plant(func(key string) error {
		return rdb.HSet(ctx, key, "s", "failed", "c", "x", "fin", "1e99", "doc", "{", "ec", "exception", "em", strings.Repeat("x", 1<<20),
			"cl", "ann").Err()
	})
	if err := rdb.ZAdd(ctx, lane(3).index(), z(now, "not an id"), z(now, "")).Err(); err != nil {
		t.Fatal(err)
	}

	page, err := q.List(ctx, ListOptions{})
	if err != nil {
		t.Fatalf("a list among them: %v", err)
	}
	listed := map[string]*Job{}
	for _, j := range page.Jobs {
		listed[j.ID] = j
	}
	if listed[mine] == nil || listed[timeless] == nil || listed[ended] == nil || len(listed) != 3 {
		t.Errorf("listed: %v", listed)
	}
	if said, err := json.Marshal(page.Jobs); err != nil || len(said) > 20<<10 {
		t.Errorf("the list is %d bytes, %v", len(said), err)
	}
	for _, id := range []string{text, list, hash} {
		if j, err := q.Get(ctx, id); !errors.Is(err, ErrNotFound) {
			t.Errorf("%+v, %v", j, err)
		}
		if j, err := q.Cancel(ctx, id); !errors.Is(err, ErrNotFound) {
			t.Errorf("cancel: %+v, %v", j, err)
		}
		if j, err := q.Wait(ctx, id, 0); !errors.Is(err, ErrNotFound) {
			t.Errorf("wait: %+v, %v", j, err)
		}
	}
	if j, err := q.Get(ctx, timeless); err != nil || j.Status != Queued || !j.CreatedAt.IsZero() {
		t.Errorf("%+v, %v", j, err)
	}
	if j, err := q.Get(ctx, ended); err != nil || j.Status != Failed || j.Error == nil || j.Error.Code != Internal {
		t.Errorf("%+v, %v", j, err)
	}

	// In the queue, and in the books of what runs, before a job of somebody's.
	for _, id := range []string{text, list, hash} {
		l, _ := laneOf(id)
		base := l.asynq(High)
		pipe := rdb.Pipeline()
		pipe.HSet(ctx, base+"t:"+id, "msg", "garbage", "state", "pending")
		if id != hash { // which would be run, as far as anybody can tell
			pipe.LPush(ctx, l.pending(High), id)
		}
		pipe.RPush(ctx, base+"active", id)
		pipe.ZAdd(ctx, base+"lease", redis.Z{Score: 1, Member: id})
		if _, err := pipe.Exec(ctx); err != nil {
			t.Fatal(err)
		}
	}
	serve(t, rdb, runnerFunc(echo), ServerOptions{Concurrency: 2})
	for range 3 {
		j := wait(t, q, submit(t, q, "after", SubmitOptions{Client: "ann", Reply: true}).ID)
		if j.Status != Completed {
			t.Errorf("%+v", j)
		}
	}
	eventually(t, 20*time.Second, "what is not ours is off the books", func() bool {
		return rdb.ZCard(ctx, lane(3).asynq(High)+"lease").Val() == 0
	})
}

// wait0 is a job that waits for a worker that there is none of yet.
func wait0(t *testing.T, q *Queue, script string) string {
	t.Helper()
	return submit(t, q, script, SubmitOptions{Client: "ann"}).ID
}

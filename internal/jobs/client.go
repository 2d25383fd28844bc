package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// A client's own keys share a hash tag made of its name, whatever characters that has.
func clientTag(client string) string {
	sum := sha256.Sum256([]byte(client))
	return "safepy:{client-" + hex.EncodeToString(sum[:8]) + "}:"
}

func clientJobs(client string) string { return clientTag(client) + "jobs" }

// recountOneIn is how many submissions of a client go by between two checks of its set, on average.
const recountOneIn = 256

// What admit.lua decides; the third is that too many jobs are in flight.
const (
	admitted = 0
	tooFast  = 2
)

// admit applies the client's own limits and puts the lane of the client's last job into the id, unless another is better; see
// the script. The job counts under keyed, if that is set. It costs a round trip, for named clients only.
//
// The set of a client's jobs lies in another hash slot of a cluster than the jobs do, so that a job may end without being taken out of it
// when somebody dies in between: at the limit the set is checked against the records.
func (q *Queue) admit(ctx context.Context, client, id, keyed, crowded string) (string, error) {
	if client == "" {
		return id, nil
	}
	for again := true; ; again = false {
		c := q.admission(client, id, keyed, crowded)
		answer, err := admitScript.Run(ctx, q.rdb, c.keys, c.args...).Slice()
		if err != nil {
			return "", err
		}
		id, inFlight, err := parseAdmission(answer)
		if inFlight > 0 && rand.IntN(recountOneIn) == 0 {
			// Without a limit nobody would ever notice what was left behind.
			_ = q.recount(ctx, client)
		}
		if err != errTooMany {
			return id, err
		}
		if !again {
			return "", &BusyError{Scope: "key", RetryAfter: time.Second}
		}
		if err := q.recount(ctx, client); err != nil {
			return "", err
		}
	}
}

// admission is the call of admit.lua for a job.
func (q *Queue) admission(client, id, keyed, crowded string) call {
	every, burst := 0, 1.0
	if r := q.o.ClientPerSecond; r > 0 {
		every, burst = int(1e6/r), math.Max(1, math.Floor(r))
	}
	return call{
		keys: []string{clientJobs(client), clientTag(client) + "bucket", clientTag(client) + "lane"},
		args: []any{id, crowded, lightLoad, q.o.ClientInFlight, every, burst, q.layout.lanes, keyed},
	}
}

// errTooMany says that a client has as many jobs in flight as it may, unless its set holds some that are not any more.
var errTooMany = errors.New("too many jobs in flight")

// parseAdmission reads admit.lua's answer: the id and how many jobs were in flight, or why the job is not admitted.
func parseAdmission(answer []any) (id string, inFlight int64, err error) {
	decision, _ := answer[0].(int64)
	n, _ := answer[1].(int64)
	switch decision {
	case admitted:
		id, _ = answer[2].(string)
		return id, n, nil
	case tooFast:
		wait := time.Duration(n) * time.Microsecond
		return "", 0, &BusyError{Scope: "key", RetryAfter: max(time.Second, (wait + time.Second - 1).Truncate(time.Second))}
	}
	return "", 0, errTooMany
}

// dismiss takes a job out of its client's set.
func (q *Queue) dismiss(ctx context.Context, client, id string) {
	if client != "" {
		// Left behind, it is found by recount.
		_ = q.rdb.ZRem(ctx, clientJobs(client), id).Err()
	}
}

// recount takes those jobs out of a client's set that are final or gone.
func (q *Queue) recount(ctx context.Context, client string) error {
	// The youngest second is left alone: their records are perhaps still being written.
	before := strconv.FormatInt(time.Now().Add(-time.Second).UnixMicro(), 10)
	ids, err := q.rdb.ZRangeByScore(ctx, clientJobs(client), &redis.ZRangeBy{Min: "-inf", Max: before}).Result()
	if err != nil || len(ids) == 0 {
		return err
	}
	pipe := q.rdb.Pipeline()
	states := make([]*redis.StringCmd, len(ids))
	for i, id := range ids {
		l, _ := laneOf(id)
		states[i] = pipe.HGet(ctx, l.record(id), "s")
	}
	if err := execute(ctx, pipe); err != nil {
		return err
	}
	var over []any
	for i, s := range states {
		if s.Err() != nil || Status(s.Val()).Final() {
			over = append(over, ids[i])
		}
	}
	if len(over) == 0 {
		return nil
	}
	return q.rdb.ZRem(ctx, clientJobs(client), over...).Err()
}

package jobs

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// submission is what our script writes beside asynq's task. It travels through asynq.Client in the context.
type submission struct {
	keys        []string // record, index, bell, workers with free slots
	body        []byte
	reply       string
	client      string
	fingerprint string
	ttl         time.Duration

	// Filled in by the script:
	created *time.Time
	handed  bool   // a worker has it already
	known   string // fingerprint of the job that has this id already
}

type submissionKey struct{}

// submitter is the Redis client given to asynq.Client. asynq encodes the task and would write it by a script of its own; what
// goes to Redis instead is our script, which writes the task in the same way and the job's record with it.
type submitter struct{ redis.UniversalClient }

// EvalSha: asynq's enqueue has the keys task and pending list and the arguments message, id and time.
func (c *submitter) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	s, ok := ctx.Value(submissionKey{}).(*submission)
	if !ok || len(keys) != 2 || len(args) != 3 {
		cmd := redis.NewCmd(ctx, "evalsha", sha)
		cmd.SetErr(fmt.Errorf("asynq enqueues in an unknown way (%d keys, %d arguments)", len(keys), len(args)))
		return cmd
	}
	args = append(args, s.body, s.reply, s.client, s.fingerprint, int(s.ttl/time.Second), handedLeaseSeconds, maxHanded)
	cmd := submitScript.Run(ctx, c.UniversalClient, append(keys, s.keys...), args...)
	answer, err := cmd.Slice()
	if err != nil {
		return cmd
	}
	accepted, _ := answer[0].(int64)
	if len(answer) > 1 {
		text, _ := answer[1].(string)
		if accepted == 1 {
			s.created = micros(text)
			s.handed = len(answer) > 2 && answer[2] == int64(1)
		} else {
			s.known = text
		}
	}
	cmd.SetVal(accepted)
	return cmd
}

// SAdd: asynq registers each queue before its first task. The workers do that, for all queues and again and again, since a
// Redis that lost its data would otherwise never hear of them.
func (c *submitter) SAdd(ctx context.Context, key string, members ...any) *redis.IntCmd {
	return redis.NewIntCmd(ctx, "sadd", key)
}

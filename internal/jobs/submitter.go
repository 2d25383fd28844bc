package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"safepy/internal/jobs/asynqscript"
)

// submission is what our script writes beside asynq's task. It travels through asynq.Client in the context.
type submission struct {
	keys        []string // record, index, wake-up list, list of free workers, book of shares
	body        []byte
	reply       string
	client      string
	share       string
	room        room
	fingerprint string
	ttl         time.Duration
	// held says that the script is not to be run now, but as call, together with those of others.
	held bool
	call call

	// Filled in by the script:
	created    *time.Time
	dispatched bool   // a worker has it already
	known      string // fingerprint of the job that has this id already
	refused    string // why there is no room: roomBytes or roomShare
}

// room is what there is for the job, as far as its process knows: the script has the rest.
type room struct {
	bytes   int64   // most bytes of requests that are not final; 0 is no limit
	limit   int     // most jobs that may wait; 0 is no limit
	waiting int     // how many do
	part    float64 // of what others leave, that one client may fill
}

// What the script may say that there is no room for.
const (
	roomBytes = "bytes"
	roomShare = "share"
)

// errRefused has asynq give up a submission that the script has refused.
var errRefused = errors.New("no room")

type submissionKey struct{}

// submitter is the Redis client given to asynq.Client. asynq encodes the task and would write it by a script of its own; what
// goes to Redis instead is our script, which writes the task in the same way and the job's record with it.
type submitter struct{ redis.UniversalClient }

// EvalSha is asynq's call of a script that Redis has loaded.
func (c *submitter) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	return c.script(ctx, sha, keys, args)
}

// Eval is asynq's call of a script that Redis has not.
func (c *submitter) Eval(ctx context.Context, script string, keys []string, args ...any) *redis.Cmd {
	return c.script(ctx, asynqscript.Hash(script), keys, args)
}

// script submits, in place of asynq's enqueue with the keys task and pending list and the arguments message, id and time.
func (c *submitter) script(ctx context.Context, sha string, keys []string, args []any) *redis.Cmd {
	name := asynqscript.Name(sha)
	s, ok := ctx.Value(submissionKey{}).(*submission)
	if name != "enqueue" || !ok {
		return answer(ctx, unknownScript(sha, name))
	}
	args = append(args, s.body, s.reply, s.client, s.fingerprint, int(s.ttl/time.Second), dispatchedLeaseSeconds, maxDispatched,
		s.share, s.room.bytes, s.room.limit, s.room.waiting, s.room.part)
	s.call = call{keys: append(keys, s.keys...), args: args}
	if s.held {
		cmd := redis.NewCmd(ctx)
		cmd.SetVal(accepted)
		return cmd
	}
	cmd := submitScript.Run(ctx, c.UniversalClient, s.call.keys, s.call.args...)
	s.read(cmd)
	return cmd
}

// What the script answers first.
const (
	knownAlready int64 = 0
	accepted     int64 = 1
	noRoomNow    int64 = 2
)

// read takes over what the script has answered, and leaves of it what asynq expects of its own script: accepted, knownAlready or an error.
func (s *submission) read(cmd *redis.Cmd) {
	answer, err := cmd.Slice()
	if err != nil {
		return
	}
	said, _ := answer[0].(int64)
	if len(answer) > 1 {
		text, _ := answer[1].(string)
		switch said {
		case accepted:
			s.created = micros(text)
			s.dispatched = len(answer) > 2 && answer[2] == int64(1)
		case noRoomNow:
			s.refused = text
			cmd.SetErr(errRefused)
			return
		default:
			s.known = text
		}
	}
	cmd.SetVal(said)
}

// outcome is what asynq would say to the script's answer.
func (s *submission) outcome(cmd *redis.Cmd) error {
	s.read(cmd)
	if said, err := cmd.Int64(); err != nil || said != knownAlready {
		return err
	}
	return asynq.ErrTaskIDConflict
}

// SAdd: asynq registers each queue before its first task. The workers do that, for all queues and again and again, since a
// Redis that lost its data would otherwise never hear of them.
func (c *submitter) SAdd(ctx context.Context, key string, members ...any) *redis.IntCmd {
	return redis.NewIntCmd(ctx, "sadd", key)
}

package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Position is how much of a job somebody has seen: of which attempt, how many bytes of its stdout and stderr, and how many cases.
type Position struct {
	Attempt, Stdout, Stderr, Cases int
}

func (p Position) String() string {
	return fmt.Sprintf("%d-%d-%d-%d", p.Attempt, p.Stdout, p.Stderr, p.Cases)
}

// ParsePosition reads what String has written.
func ParsePosition(s string) (p Position, ok bool) {
	parts := strings.Split(s, "-")
	to := []*int{&p.Attempt, &p.Stdout, &p.Stderr, &p.Cases}
	if len(parts) != len(to) {
		return Position{}, false
	}
	for i, part := range parts {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 || n > 1<<40 {
			return Position{}, false
		}
		*to[i] = n
	}
	return p, true
}

// Follower gets what happens to a job, in order. An error of one of its functions ends the following.
type Follower struct {
	// Status: the job waits, or a run has begun: what is written from now on is that run's, from its first byte.
	Status func(p Position, j *Job) error
	Stdout func(p Position, text string) error
	Stderr func(p Position, text string) error
	// Case is a case's JSON.
	Case func(p Position, c json.RawMessage) error
	// Idle is called when nothing has happened for as long as Every.
	Idle  func() error
	Every time.Duration
}

const (
	// followPoll is the net beneath the messages: what was missed is found by then.
	followPoll = time.Second
	// followPart bounds what is read of a stream at a time: a slow reader holds no more than this.
	followPart = 64 << 10
	// followCases likewise.
	followCases = 20
)

// Follow tells of a job from p on until its end, and returns it as it is then. Whoever has broken off goes on where he was, in whatever
// process: nothing is lost, and nothing is told twice. The errors are Get's, ctx's and the follower's own.
func (q *Queue) Follow(ctx context.Context, id string, p Position, f Follower) (*Job, error) {
	l, ok := laneOf(id)
	if !ok {
		return nil, ErrNotFound
	}
	told, leave, err := q.hub.join(ctx, l.live(id, "told"))
	if err != nil {
		return nil, unavailable(ctx, "follow", err)
	}
	defer leave()
	w, expected := q.replies.take(id)
	defer q.replies.drop(id, w)
	if !expected {
		if _, err := q.watch(ctx, l, id); err != nil {
			return nil, err
		}
	}
	if err := followScript.Run(ctx, q.rdb, []string{l.record(id)}, id, watchChannel).Err(); err != nil && !errors.Is(err, redis.Nil) {
		return nil, unavailable(ctx, "follow", err)
	}
	s := &following{queue: q, lane: l, id: id, at: p, f: f}
	poll, idle := time.NewTicker(followPoll), time.NewTimer(f.Every)
	defer poll.Stop()
	defer idle.Stop()
	look := true // at the record
	ended := w.ended
	for {
		if look {
			job, err := q.Get(ctx, id)
			switch {
			case err == nil && job.Status.Final():
				return job, s.finish(job)
			case err == nil:
				err = s.status(job)
			case errors.Is(err, ErrUnavailable):
				err = nil // sat out
			}
			if err != nil {
				return nil, err
			}
			look = false
		}
		more, err := s.read(ctx)
		if err != nil {
			return nil, err
		}
		if more {
			idle.Reset(f.Every)
			continue
		}
		select {
		case <-told:
			look = !s.known
		case <-ended:
			ended, look = nil, true
		case <-w.ask:
			look = true
		case <-poll.C:
			look = true
		case <-idle.C:
			if err := f.Idle(); err != nil {
				return nil, err
			}
			idle.Reset(f.Every)
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-q.replies.ctx.Done():
			return nil, fmt.Errorf("follow: %w: closed", ErrUnavailable)
		}
	}
}

// following is one call of Follow.
type following struct {
	queue *Queue
	lane  lane
	id    string
	at    Position
	f     Follower
	// said is the status that has been told last; known says that the attempt of at is the one that runs.
	said  Status
	known bool
}

// status tells of a job's state where that is news.
func (s *following) status(j *Job) error {
	attempt := j.Attempts
	if j.Status == Queued {
		attempt++ // the one to come
	}
	news := s.said != j.Status
	if attempt != s.at.Attempt {
		s.at, news = Position{Attempt: attempt}, true
	}
	s.said, s.known = j.Status, j.Status == Running
	if !news {
		return nil
	}
	return s.f.Status(s.at, j)
}

// read tells what there is, and reports whether that was anything.
func (s *following) read(ctx context.Context) (bool, error) {
	if !s.known {
		return false, nil
	}
	short, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	keys := liveKeys(s.lane, s.id, s.at.Attempt)
	pipe := s.queue.rdb.Pipeline()
	// One byte more than is told of: by that beginning sees whether the last character is whole.
	out := pipe.GetRange(short, keys[0], int64(s.at.Stdout), int64(s.at.Stdout+followPart))
	err := pipe.GetRange(short, keys[1], int64(s.at.Stderr), int64(s.at.Stderr+followPart))
	cases := pipe.LRange(short, keys[2], int64(s.at.Cases), int64(s.at.Cases+followCases-1))
	if execute(short, pipe) != nil {
		return false, ctx.Err() // sat out; the poll tries again
	}
	return s.tell(beginning(out.Val(), followPart), beginning(err.Val(), followPart), cases.Val())
}

func (s *following) tell(out, err string, cases []string) (bool, error) {
	if out != "" {
		s.at.Stdout += len(out)
		if err := s.f.Stdout(s.at, out); err != nil {
			return true, err
		}
	}
	if err != "" {
		s.at.Stderr += len(err)
		if err := s.f.Stderr(s.at, err); err != nil {
			return true, err
		}
	}
	for _, c := range cases {
		s.at.Cases++
		if err := s.f.Case(s.at, json.RawMessage(c)); err != nil {
			return true, err
		}
	}
	return out != "" || err != "" || len(cases) > 0, nil
}

// finish tells what is left of a job that has ended, out of its document.
func (s *following) finish(j *Job) error {
	if j.Attempts != s.at.Attempt && j.StartedAt != nil {
		s.at = Position{Attempt: j.Attempts}
		started := *j
		started.Status = Running
		if err := s.f.Status(s.at, &started); err != nil {
			return err
		}
	}
	for {
		out, err := part(j.Stdout, s.at.Stdout), part(j.Stderr, s.at.Stderr)
		if out == "" && err == "" {
			break
		}
		if _, err := s.tell(out, err, nil); err != nil {
			return err
		}
	}
	for s.at.Cases < len(j.Cases) {
		c := &j.Cases[s.at.Cases]
		if c.Status == CaseSkipped {
			break
		}
		text, err := encode(c)
		if err != nil {
			return err
		}
		if _, err := s.tell("", "", []string{string(text)}); err != nil {
			return err
		}
	}
	return nil
}

// part is what is told of a text in one go, from where on it has not been.
func part(text string, from int) string {
	if from >= len(text) {
		return ""
	}
	return beginning(text[from:], followPart)
}

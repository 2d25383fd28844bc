package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// workersKey is a hash of what each live worker says of itself.
const workersKey = "safepy:workers"

const (
	// describeEvery is how often a worker says that it is still there; describeGood is how long its word is taken.
	describeEvery = 5 * time.Second
	describeGood  = 3 * describeEvery
)

// Worker is a live worker as it describes itself.
type Worker struct {
	ID    string    `json:"id"`
	Host  string    `json:"host"`
	Slots int       `json:"slots"`
	Since time.Time `json:"since"`
	// Capabilities is what ServerOptions.Capabilities says: what the worker's jails enforce.
	Capabilities json.RawMessage `json:"capabilities,omitempty"`
}

// announcement is a Worker with the moment in which it was said, by Redis' clock, and how many lanes it serves: those from the
// first on.
type announcement struct {
	Worker
	Seen  int64 `json:"seen"`
	Lanes int   `json:"lanes"`
}

// describe says that the worker is there. One command in describeEvery.
func (s *Server) describe(ctx context.Context) error {
	now, err := s.broker.Time(ctx).Result()
	if err != nil {
		return err
	}
	said, err := json.Marshal(announcement{Worker: s.self, Seen: now.Unix(), Lanes: s.broker.layout.lanes})
	if err != nil {
		return err
	}
	if err := describeScript.Run(ctx, s.broker.UniversalClient, []string{workersKey}, s.self.ID, said).Err(); err != nil {
		return err
	}
	if m, err := readMemory(ctx, s.broker.UniversalClient); err == nil {
		s.broker.redisMost.Store(m.max)
	}
	return s.countSlots(ctx, now)
}

// describeScript says so even where Redis is full, since what follows a write that takes no room is not refused: its workers are what
// makes room. KEYS: workers   ARGV: id, announcement
var describeScript = redis.NewScript(`
redis.call('HDEL', KEYS[1], ARGV[1])
return redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])`)

// countSlots tells the books of shares how many slots there are: nobody is to have all of them while somebody else waits.
func (s *Server) countSlots(ctx context.Context, now time.Time) error {
	said, err := s.broker.HGetAll(ctx, workersKey).Result()
	if err != nil {
		return err
	}
	workers, _ := live(said, now)
	slots := 0
	for _, w := range workers {
		slots += w.Slots
	}
	pipe := s.broker.Pipeline()
	for _, book := range s.broker.layout.books() {
		pipe.HSet(ctx, book, "slots", slots)
	}
	if _, err = pipe.Exec(ctx); isFull(err) {
		err = nil // what it was told last is good enough
	}
	return err
}

// leave takes the worker's word back. One that dies without it is forgotten by the next reader.
func (s *Server) leave(ctx context.Context) {
	_ = s.broker.HDel(ctx, workersKey, s.self.ID).Err()
	if now, err := s.broker.Time(ctx).Result(); err == nil {
		_ = s.countSlots(ctx, now)
	}
}

// Workers are the live workers, by id. ErrUnavailable when Redis is away.
func (q *Queue) Workers(ctx context.Context) ([]Worker, error) {
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	pipe := q.rdb.Pipeline()
	said, now := pipe.HGetAll(ctx, workersKey), pipe.Time(ctx)
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return nil, unavailable(caller, "workers", err)
	}
	announced, gone := live(said.Val(), now.Val())
	var workers []Worker
	for _, a := range announced {
		workers = append(workers, a.Worker)
	}
	if len(gone) > 0 {
		// A worker that was only paused says so again when it goes on.
		_ = q.rdb.HDel(ctx, workersKey, gone...).Err()
	}
	slices.SortFunc(workers, func(a, b Worker) int { return strings.Compare(a.ID, b.ID) })
	return workers, nil
}

// live tells the announcements that are good from the ids of those that are not.
func live(said map[string]string, now time.Time) (good []announcement, gone []string) {
	for id, text := range said {
		var a announcement
		if json.Unmarshal([]byte(text), &a) != nil || time.Unix(a.Seen, 0).Add(describeGood).Before(now) {
			gone = append(gone, id)
		} else {
			good = append(good, a)
		}
	}
	return good, gone
}

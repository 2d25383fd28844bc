package jobs

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"safepy/internal/redisconn"
)

const (
	// admitBelow is the part of Redis' maxmemory up to which jobs are accepted. The rest is for those that were: for their ends, for
	// leases and for what workers say of themselves.
	admitBelow = 0.85
	// queuePart and outcomePart are what requests and outcomes may take of maxmemory at most, whatever the budgets say: beside a
	// string of megabytes there is what a client of Redis has sent and not been read yet.
	queuePart, outcomePart = 0.25, 0.5
)

// memory is what a Redis uses, and may use; on a cluster that of the master that is the fullest.
type memory struct {
	used, max int64 // max is 0 where there is no limit, or none is told
}

// full says that no more jobs are to be accepted.
func (m memory) full() bool { return m.max > 0 && float64(m.used) >= admitBelow*float64(m.max) }

func (m memory) String() string { return fmt.Sprintf("%d of %d MB", m.used>>20, m.max>>20) }

// budget is a budget of bytes, bounded by a part of maxmemory; 0 is no limit.
func (m memory) budget(bytes int64, part float64) int64 {
	if m.max == 0 {
		return bytes
	}
	most := max(1, int64(part*float64(m.max)))
	if bytes == 0 {
		return most
	}
	return min(bytes, most)
}

// readMemory asks Redis. One that does not tell (managed ones may omit it) has no limit.
func readMemory(ctx context.Context, rdb redis.UniversalClient) (fullest memory, err error) {
	c, ok := rdb.(*redis.ClusterClient)
	if !ok {
		info, err := rdb.Info(ctx, "memory").Result()
		return parseMemory(info), awayOnly(err)
	}
	var mu sync.Mutex
	err = c.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		info, err := node.Info(ctx, "memory").Result()
		m := parseMemory(info)
		mu.Lock()
		defer mu.Unlock()
		if m.max > 0 && (fullest.max == 0 || float64(m.used)/float64(m.max) > float64(fullest.used)/float64(fullest.max)) {
			fullest = m
		}
		return awayOnly(err)
	})
	return fullest, err
}

// awayOnly leaves out that Redis refuses to tell.
func awayOnly(err error) error {
	if _, refused := err.(redis.Error); refused {
		return nil
	}
	return err
}

func parseMemory(info string) memory {
	n := func(name string) int64 {
		v, _ := strconv.ParseInt(redisconn.InfoField(info, name), 10, 64)
		return v
	}
	return memory{used: n("used_memory"), max: n("maxmemory")}
}

// isFull says that Redis refused a write for want of memory.
func isFull(err error) bool {
	return err != nil && strings.Contains(err.Error(), "OOM command not allowed")
}

package redisconn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// ErrAway: Redis does not answer now, or not yet. It may in a moment.
var ErrAway = errors.New("redis is away")

// Check reports why this Redis cannot hold the queue: it does not answer, or it would evict keys when full, which
// loses accepted jobs silently. A Redis that does not tell its policy (managed ones forbid CONFIG and may omit
// it from INFO) is accepted. The error is ErrAway, too, when it may be another one in a moment.
func Check(ctx context.Context, rdb redis.UniversalClient) error {
	if c, ok := rdb.(*redis.ClusterClient); ok {
		return awayOr(c.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error { return checkNode(ctx, node) }))
	}
	return awayOr(checkNode(ctx, rdb))
}

func checkNode(ctx context.Context, rdb redis.UniversalClient) error {
	if err := rdb.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	info, err := rdb.Info(ctx, "memory").Result()
	if err != nil {
		info = ""
	}
	policy := InfoField(info, "maxmemory_policy")
	if policy == "" {
		if m, err := rdb.ConfigGet(ctx, "maxmemory-policy").Result(); err == nil {
			policy = m["maxmemory-policy"]
		}
	}
	if policy != "" && policy != "noeviction" {
		return unfit("redis: maxmemory-policy is " + policy + ", which loses jobs when memory is full; set it to noeviction")
	}
	return nil
}

// InfoField is one line of what INFO says, empty where it does not say it.
func InfoField(info, name string) string {
	for line := range strings.Lines(info) {
		if v, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// askAgain is how often a Redis that is away at the start is asked whether it is back.
const askAgain = time.Second

// Await is Check for a process that starts before its Redis does, or while it does not answer: it waits for that. The
// error is why this Redis will not do, or ctx's.
func Await(ctx context.Context, rdb redis.UniversalClient, log *slog.Logger) error {
	ticker := time.NewTicker(askAgain)
	defer ticker.Stop()
	for waited := false; ; waited = true {
		err := Check(ctx, rdb)
		switch {
		case err == nil && waited:
			log.Info("redis answers")
			return nil
		case err == nil || !errors.Is(err, ErrAway):
			return err
		case !waited:
			log.Warn("redis does not answer: waiting until it does", "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// unfit is why a Redis that answers cannot hold the queue.
type unfit string

func (u unfit) Error() string { return string(u) }

// awayOr marks an error of a Redis that may come yet with ErrAway. The others are of one that answered and will not do: a
// wrong password stays wrong, and so does the certificate of an authority that nobody here knows.
func awayOr(err error) error {
	if err == nil {
		return nil
	}
	_, evicts := errors.AsType[unfit](err)
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	if refusal, ok := errors.AsType[redis.Error](err); ok {
		kind, _, _ := strings.Cut(refusal.Error(), " ")
		if !slices.Contains(passing, kind) {
			return err
		}
	}
	if evicts || untrusted {
		return err
	}
	return fmt.Errorf("%w: %w", ErrAway, err)
}

// passing are the refusals that go away by themselves.
var passing = []string{"LOADING", "CLUSTERDOWN", "MASTERDOWN", "TRYAGAIN", "BUSY"}

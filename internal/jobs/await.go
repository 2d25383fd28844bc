package jobs

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

// askAgain is how often a Redis that is away at the start is asked whether it is back.
const askAgain = time.Second

// AwaitRedis is CheckRedis for a process that starts before its Redis does, or while it does not answer: it waits for that. The
// error is why this Redis will not do, or ctx's.
func AwaitRedis(ctx context.Context, rdb redis.UniversalClient, log *slog.Logger) error {
	ticker := time.NewTicker(askAgain)
	defer ticker.Stop()
	for waited := false; ; waited = true {
		err := CheckRedis(ctx, rdb)
		switch {
		case err == nil && waited:
			log.Info("redis answers")
			return nil
		case err == nil || !errors.Is(err, ErrUnavailable):
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

// awayOr marks an error of a Redis that may come yet with ErrUnavailable. The others are of one that answered and will not do: a
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
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// passing are the refusals that go away by themselves.
var passing = []string{"LOADING", "CLUSTERDOWN", "MASTERDOWN", "TRYAGAIN", "BUSY"}

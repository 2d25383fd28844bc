package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"safepy/internal/jobs"
)

// askAgain is how often a Redis that is away at the start is asked whether it is back.
const askAgain = time.Second

// checkRedis refuses a Redis that cannot hold the queue. One that is merely away is no reason not to start: the API answers
// 503 until it is there, so that the order in which processes start does not matter. The check is then made up for; what it
// finds ends the process by way of stop. The returned func waits for that, once ctx has ended.
func checkRedis(ctx context.Context, rdb redis.UniversalClient, log *slog.Logger, stop context.CancelCauseFunc) (wait func(), err error) {
	err = jobs.CheckRedis(ctx, rdb)
	if err == nil {
		return func() {}, nil
	}
	if !away(ctx, rdb) {
		return nil, err
	}
	log.Warn("redis does not answer: serving 503 until it does", "error", err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(askAgain)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			switch err := jobs.CheckRedis(ctx, rdb); {
			case err == nil:
				log.Info("redis answers")
				return
			case !away(ctx, rdb):
				stop(err)
				return
			}
		}
	}()
	return func() { <-done }, nil
}

// away tells a Redis that may come yet from one that answered and will not do: a wrong password stays wrong.
func away(ctx context.Context, rdb redis.UniversalClient) bool {
	err := rdb.Ping(ctx).Err()
	if refusal, ok := errors.AsType[redis.Error](err); ok {
		kind, _, _ := strings.Cut(refusal.Error(), " ")
		return slices.Contains(passing, kind)
	}
	return err != nil
}

// passing are the refusals that go away by themselves.
var passing = []string{"LOADING", "CLUSTERDOWN", "MASTERDOWN", "TRYAGAIN", "BUSY"}

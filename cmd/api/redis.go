package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/redis/go-redis/v9"

	"safepy/internal/redisconn"
)

// checkRedis refuses a Redis that cannot hold the queue. One that is merely away is no reason not to start: the API answers
// 503 until it is there, so that the order in which processes start does not matter. The check is then made up for; what it
// finds ends the process by way of stop. The returned func waits for that, once ctx has ended.
func checkRedis(ctx context.Context, rdb redis.UniversalClient, log *slog.Logger, stop context.CancelCauseFunc) (wait func(), err error) {
	err = redisconn.Check(ctx, rdb)
	if err == nil {
		return func() {}, nil
	}
	if !errors.Is(err, redisconn.ErrAway) {
		return nil, err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := redisconn.Await(ctx, rdb, log); err != nil && ctx.Err() == nil {
			stop(err)
		}
	}()
	return func() { <-done }, nil
}

package jobs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"

	"github.com/redis/go-redis/v9"
)

// repetition is the job that an idempotency key stands for already, nil when there is none.
func (q *Queue) repetition(ctx context.Context, id, fingerprint string) (*Job, error) {
	l, _ := laneOf(id)
	known, err := q.rdb.HGet(ctx, l.record(id), "fp").Result()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if known != fingerprint {
		return nil, ErrIdempotencyMismatch
	}
	job, err := q.Get(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return nil, nil // expired in between
	}
	return job, err
}

// fingerprint tells requests apart, not the way their JSON was written down.
func fingerprint(body []byte) string {
	var compact bytes.Buffer
	if json.Compact(&compact, body) == nil {
		body = compact.Bytes()
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

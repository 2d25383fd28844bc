package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// answerWithin is how long Redis may take to answer, however long the client waits: a submission is refused within 2 s.
const answerWithin = 1500 * time.Millisecond

var (
	// ErrNotFound: no such job, or its result has expired.
	ErrNotFound = errors.New("no such job")
	// ErrIdempotencyMismatch: the idempotency key was used for a different request.
	ErrIdempotencyMismatch = errors.New("idempotency key was used for a different request")
	// ErrUnavailable: Redis did not take the command in time or refused it. A submission may have arrived all the same.
	ErrUnavailable = errors.New("queue is unavailable")
)

// BusyError refuses a job that there is no room for now.
type BusyError struct {
	// Scope is "service" when too many jobs wait, "share" when so many of them are the client's, "bytes" when their requests are too
	// long together, "memory" when Redis is full, "key" when the client's own limit is reached.
	Scope string
	// RetryAfter is when there will probably be room, at least a second.
	RetryAfter time.Duration
}

func (e *BusyError) Error() string {
	return fmt.Sprintf("too many jobs (%s): retry in %s", e.Scope, e.RetryAfter)
}

// Is has a full Redis be one that refuses commands, too.
func (e *BusyError) Is(target error) bool { return target == ErrUnavailable && e.Scope == "memory" }

// unavailable keeps the caller's own cancellation apart from a Redis that does not answer.
func unavailable(caller context.Context, what string, err error) error {
	if cause := caller.Err(); cause != nil {
		return cause
	}
	return fmt.Errorf("%s: %w: %w", what, ErrUnavailable, err)
}

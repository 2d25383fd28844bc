package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Wait returns the job as soon as it is final, or as it is when max is over. A Redis that goes away meanwhile is sat out:
// only when it is away at the end is that ErrUnavailable. Otherwise the errors are Get's.
func (q *Queue) Wait(ctx context.Context, id string, max time.Duration) (*Job, error) {
	l, ok := laneOf(id)
	if !ok {
		return nil, ErrNotFound
	}
	w, expected := q.replies.take(id)
	defer q.replies.drop(id, w)
	if !expected {
		job, err := q.watch(ctx, l, id)
		if err != nil || job.Status.Final() || max <= 0 {
			return job, err
		}
	}
	end := time.NewTimer(max)
	defer end.Stop()
	poll := time.NewTicker(replyPoll)
	defer poll.Stop()
	for {
		select {
		case <-w.ended:
			if w.doc != "" {
				if job := parseDocument(w.doc, id, q.replies.clientOf(w)); job != nil {
					return job, nil
				}
			}
			return q.Get(ctx, id)
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-q.replies.ctx.Done():
			return nil, fmt.Errorf("wait: %w: closed", ErrUnavailable)
		case <-end.C:
			return q.Get(ctx, id)
		case <-poll.C:
		case <-w.ask:
		}
		job, err := q.Get(ctx, id)
		if errors.Is(err, ErrNotFound) || err == nil && job.Status.Final() {
			return job, err
		}
	}
}

// watch asks for the reply to a job that was submitted elsewhere or without Reply, and returns the job as it is now.
func (q *Queue) watch(ctx context.Context, l lane, id string) (*Job, error) {
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	args := []any{q.replies.channel}
	for _, f := range recordFields {
		args = append(args, f)
	}
	values, err := watchScript.Run(ctx, q.rdb, []string{l.record(id)}, args...).Slice()
	if err != nil && !foreign(err) {
		return nil, unavailable(caller, "wait", err)
	}
	job, err := found(parseRecord(id, values))
	if err == nil {
		q.replies.name(id, job.Client)
	}
	return job, err
}

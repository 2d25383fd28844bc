package jobs

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// polled is pick.lua's answer: a job, or why there is none.
type polled struct {
	claim *claim
	last  bool // the queues are empty now
	// now is Redis' clock, where there was no job; onTheWay how many were on their way to the worker.
	now      time.Time
	onTheWay int
	// full: those take all of its slots, and the queues were not looked at.
	full bool
	// kept is for how long what waits is not to have the worker's slot.
	kept time.Duration
	// wrongBook: something waits, and the book of shares does not know.
	wrongBook bool
}

// poll takes the next jobs that there are: one, or as long as there were as many as asked for, up to one for each free slot.
func (b *broker) poll(ctx context.Context) error {
	a := b.slots.ask()
	switch {
	case a.free < 1:
		return nil
	case a.jobs == 1:
		return b.pollOne(ctx, a)
	}
	return b.pollMany(ctx, a)
}

// pollOne takes one job. The token is of a list where one was heard of.
func (b *broker) pollOne(ctx context.Context, a ask) error {
	kept := time.Duration(0)
	for _, keys := range b.lanes.order(a.token) {
		p, err := b.pickOrAudit(ctx, keys, a)
		switch {
		case err != nil:
			return err
		case p.claim != nil:
			b.lanes.served(p.claim.pending)
			b.slots.took(p.claim)
			b.slots.polled(a, p.last && !b.layout.cluster, 2) // on a cluster the script has seen one lane
			return nil
		}
		b.slots.onTheWay(p.now, p.onTheWay, a.arrived)
		if p.full {
			b.putTokenBack(ctx)
			b.waiter.waitForNews(blockMargin)
			return nil
		}
		if p.kept > 0 && (kept == 0 || p.kept < kept) {
			kept = p.kept
		}
	}
	if kept > 0 {
		b.slots.keep(a, kept)
	} else {
		b.slots.polled(a, true, 1)
	}
	return nil
}

// pickOrAudit picks again when the book of shares was wrong, and has been made anew.
func (b *broker) pickOrAudit(ctx context.Context, keys []string, a ask) (polled, error) {
	p, err := parsePolled(pickScript.Run(ctx, b.UniversalClient, keys, a.args(0, false)...).Slice())
	if err != nil || !p.wrongBook {
		return p, err
	}
	if err := b.audit(ctx, keys[2:]); err != nil {
		return polled{}, err
	}
	return parsePolled(pickScript.Run(ctx, b.UniversalClient, keys, a.args(0, true)...).Slice())
}

// pollMany takes several jobs in one round trip.
func (b *broker) pollMany(ctx context.Context, a ask) error {
	cmds := make([]*redis.Cmd, a.jobs)
	pipe := b.UniversalClient.Pipeline()
	for i := range cmds {
		cmds[i] = pickScript.EvalSha(ctx, pipe, b.lanes.order("")[0], a.args(i, false)...)
	}
	// Each command has its own answer, also when the connection broke between two.
	_, _ = pipe.Exec(ctx)
	taken, last := 0, false
	for _, cmd := range cmds {
		p, err := parsePolled(cmd.Slice())
		if err != nil {
			if taken == 0 && !redis.HasErrorPrefix(err, "NOSCRIPT") { // the next poll is for one, and brings the script
				return err
			}
			break
		}
		if p.claim == nil {
			b.slots.onTheWay(p.now, p.onTheWay, a.arrived)
			continue
		}
		b.slots.took(p.claim)
		taken, last = taken+1, p.last
	}
	if taken == a.jobs {
		b.slots.polled(a, last, 2*a.jobs)
	} else {
		b.slots.unlist() // with how many slots the worker is in the list, if it is, is not known
	}
	return nil
}

// args are pick.lua's, for the one of several that comes behind so many others.
func (a ask) args(behind int, audited bool) []any {
	return []any{leaseSeconds, a.channel, a.free - behind, a.arrived, believedSeconds, audited}
}

// parsePolled reads pick.lua's answer, whose first value says which it is.
func parsePolled(v []any, err error) (polled, error) {
	if err != nil {
		return polled{}, err
	}
	kind := ""
	if len(v) > 0 {
		kind = text(v[0])
	}
	switch {
	case kind == "job" && len(v) == 11:
		c, err := parseClaim(v[1:9])
		more, _ := v[9].(int64)
		if watched, _ := v[10].(int64); err == nil {
			c.watched = watched == 1
		}
		return polled{claim: c, last: more == 0}, err
	case (kind == "none" || kind == "full" || kind == "kept" || kind == "wrong book") && len(v) == 4:
	default:
		return polled{}, fmt.Errorf("pick: %d values, %.20q", len(v), kind)
	}
	now, err := moment(text(v[1]))
	if err != nil {
		return polled{}, fmt.Errorf("pick: now: %w", err)
	}
	onTheWay, _ := v[2].(int64)
	p := polled{now: now, onTheWay: int(onTheWay), full: kind == "full", wrongBook: kind == "wrong book"}
	if kind == "kept" {
		kept, _ := v[3].(int64)
		p.kept = max(time.Duration(kept)*time.Microsecond, time.Millisecond)
	}
	return p, nil
}

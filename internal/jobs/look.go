package jobs

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// maxBatch is how many jobs are taken in one round trip at most: asynq takes them one by one, and with short jobs the round
// trips are what limits a worker.
const maxBatch = 8

// standing is what a worker tells of itself when it looks for jobs.
type standing struct {
	channel string
	free    int // slots
	heard   int // of jobs on the channel
}

func (b *broker) standing() standing {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.handout
	h.mu.Lock()
	defer h.mu.Unlock()
	at := standing{channel: h.channel, free: b.slots - b.busy, heard: h.heard}
	if len(h.claims) == 0 {
		at.free = max(1, at.free) // asynq has a slot for the job it asks for, whatever this says
	}
	if b.park.stopping() {
		at.channel = ""
	}
	return at
}

// took says that a job has a slot from now on.
func (b *broker) took(c *claim) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.busy++
	b.ahead = c.started.Sub(c.obtained)
}

// look is what one has brought: a job, or none.
type look struct {
	claim *claim
	// now is Redis' clock, where there was none; coming how many jobs were on their way to the worker, and full that they take all
	// of its slots, so that no other was looked for.
	now    time.Time
	coming int
	full   bool
}

// none takes notice of a look that has brought no job, made when so many had been heard of on the channel.
func (b *broker) none(f look, heard int) {
	b.mu.Lock()
	b.ahead = time.Until(f.now)
	b.mu.Unlock()
	b.handout.onTheWay(f.coming, heard)
}

// pick takes the next jobs that there are: one, or as long as there were as many as asked for, up to one for each free slot.
func (b *broker) pick(ctx context.Context) ([]*claim, error) {
	at := b.standing()
	if at.free < 1 {
		return nil, nil // it was handed one meanwhile
	}
	n := min(b.batch, at.free, maxBatch)
	if b.layout.cluster || n == 1 {
		return b.pickOne(ctx, at)
	}
	cmds := make([]*redis.Cmd, n)
	pipe := b.UniversalClient.Pipeline()
	for i := range cmds {
		cmds[i] = pickScript.EvalSha(ctx, pipe, b.turns.order(b.layout, "", i)[0], at.args(i)...)
	}
	// Each command has its own answer, also when the connection broke between two.
	_, _ = pipe.Exec(ctx)
	b.batch, b.empty = 1, false
	var taken []*claim
	for _, cmd := range cmds {
		f, err := parseLook(cmd.Slice())
		if err != nil {
			if len(taken) == 0 && !redis.HasErrorPrefix(err, "NOSCRIPT") { // the next one asks for one, and brings the script
				return nil, err
			}
			break
		}
		if f.claim == nil {
			b.none(f, at.heard)
			continue
		}
		b.turns.served(f.claim.pending)
		b.took(f.claim)
		taken = append(taken, f.claim)
	}
	if len(taken) == n {
		b.hint, b.empty = "", taken[n-1].last
		b.handout.looked(at.channel, b.empty)
		if !b.empty {
			b.batch = 2 * n
		}
		return taken, nil
	}
	b.handout.unsure() // of how many slots it is listed with, if it is
	return taken, nil
}

// pickOne takes one job. The hint is where one was heard of.
func (b *broker) pickOne(ctx context.Context, at standing) ([]*claim, error) {
	b.batch, b.empty = 1, false
	for _, keys := range b.turns.order(b.layout, b.hint, 0) {
		f, err := parseLook(pickScript.Run(ctx, b.UniversalClient, keys, at.args(0)...).Slice())
		switch {
		case err != nil:
			return nil, err
		case f.full:
			b.none(f, at.heard)
			b.passOn(ctx)
			b.park.await(b.handout.news, blockMargin)
			return nil, nil
		case f.claim == nil:
			b.none(f, at.heard)
			continue
		}
		b.turns.served(f.claim.pending)
		b.took(f.claim)
		b.hint, b.empty = "", f.claim.last && !b.layout.cluster // there the script has seen one lane
		b.handout.looked(at.channel, b.empty)
		if !b.empty {
			b.batch = 2
		}
		return []*claim{f.claim}, nil
	}
	b.hint, b.empty = "", true
	b.handout.looked(at.channel, true)
	return nil, nil
}

// args are the pick script's, for the one of several that comes behind so many others.
func (at standing) args(behind int) []any {
	return []any{leaseSeconds, at.channel, at.free - behind, at.heard, believedSeconds}
}

// parseLook reads the pick script's answer.
func parseLook(v []any, err error) (look, error) {
	if err != nil {
		return look{}, err
	}
	switch len(v) {
	case 2, 3:
		now, err := moment(text(v[0]))
		if err != nil {
			return look{}, fmt.Errorf("pick: now: %w", err)
		}
		coming, _ := v[1].(int64)
		return look{now: now, coming: int(coming), full: len(v) == 3}, nil
	case 9:
		c, err := parseClaim(v)
		return look{claim: c}, err
	}
	return look{}, fmt.Errorf("pick: %d values", len(v))
}

func parseClaim(v []any) (_ *claim, err error) {
	c := &claim{msg: text(v[0]), id: text(v[1]), pending: text(v[2]), request: text(v[6]), client: text(v[7]), obtained: time.Now()}
	if c.started, err = moment(text(v[4])); err != nil {
		return nil, fmt.Errorf("pick: started: %w", err)
	}
	if c.created = created(text(v[3])); c.created.IsZero() {
		c.created = c.started // a damaged record is run all the same, and holds up none that were taken with it
	}
	n, _ := v[5].(int64)
	more, _ := v[8].(int64)
	c.attempt, c.last = int(n), more == 0
	return c, nil
}

// text is a string among a script's answers; empty where it is anything else.
func text(v any) string {
	s, _ := v.(string)
	return s
}

package jobs

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// claim is a job that this worker has, by a poll or by direct dispatch.
type claim struct {
	id       string
	pending  string // the list that it came from
	client   string
	request  string
	attempt  int
	created  time.Time
	msg      string    // asynq's
	started  time.Time // by Redis' clock
	obtained time.Time // by ours, at the same moment
	watched  bool      // somebody wants to see its output while it runs
	vacated  bool      // it takes no slot any more; guarded by slots.mu
}

// parseClaim reads pick.lua's answer of eight values with a job in it.
func parseClaim(v []any) (*claim, error) {
	c := &claim{msg: text(v[0]), id: text(v[1]), pending: text(v[2]), request: text(v[6]), client: text(v[7]), obtained: time.Now()}
	var err error
	if c.started, err = moment(text(v[4])); err != nil {
		return nil, fmt.Errorf("pick: started: %w", err)
	}
	if c.created = created(text(v[3])); c.created.IsZero() {
		c.created = c.started // a damaged record is run all the same, and holds up none that were taken with it
	}
	n, _ := v[5].(int64)
	c.attempt = int(n)
	return c, nil
}

// parseDelivery reads what submit.lua publishes: the sizes of six parts, a line, and the parts.
func parseDelivery(text string) (*claim, error) {
	header, rest, _ := strings.Cut(text, "\n")
	var parts []string
	for size := range strings.SplitSeq(header, " ") {
		n, err := strconv.Atoi(size)
		if err != nil || n < 0 || n > len(rest) {
			return nil, fmt.Errorf("delivery: sizes %.100q of %d bytes", header, len(text))
		}
		parts, rest = append(parts, rest[:n]), rest[n:]
	}
	if len(parts) != 6 || rest != "" {
		return nil, fmt.Errorf("delivery: %d parts and %d bytes", len(parts), len(rest))
	}
	created, err := moment(parts[3])
	if err != nil {
		return nil, fmt.Errorf("delivery: created: %w", err)
	}
	return &claim{
		msg: parts[0], id: parts[1], pending: parts[2], created: created, started: created, request: parts[4], client: parts[5],
		attempt: 1, obtained: time.Now(),
	}, nil
}

// startOf is when a run has started, as Redis has it.
func startOf(c *claim) string { return strconv.FormatInt(c.started.UnixMicro(), 10) }

// text is a string among a script's answers; empty where it is anything else.
func text(v any) string {
	s, _ := v.(string)
	return s
}

package jobs

import "strings"

// turns is the order in which one worker looks into the lanes. Without a cluster one script sees all of them, and decides by the book
// of shares; on one a script sees one lane, and the lanes take turns. It belongs to the one goroutine that takes jobs.
type turns struct {
	layout layout
	keys   [][]string // of the pick script, for each group of lanes that it can see
	next   int        // of those, which to begin with
}

func newTurns(y layout) turns {
	t := turns{layout: y}
	for _, lanes := range y.groups() {
		keys := []string{y.bell(lanes[0]), y.free(lanes[0]), y.book(lanes[0])}
		for _, l := range lanes {
			for _, p := range priorities {
				keys = append(keys, l.pending(p.name))
			}
		}
		t.keys = append(t.keys, keys)
	}
	return t
}

// order returns the keys for the pick script, one list for each look that it takes. The hint is a queue that was heard of.
func (t *turns) order(hint string) [][]string {
	if len(t.keys) == 1 {
		return t.keys
	}
	var groups [][]string
	for i := range t.keys {
		l := (t.next + i) % len(t.keys)
		if strings.HasPrefix(hint, "asynq:{"+lane(l).tag()+"}") {
			groups = append([][]string{t.keys[l]}, groups...)
		} else {
			groups = append(groups, t.keys[l])
		}
	}
	return groups
}

// served moves on after a job from this queue.
func (t *turns) served(pending string) {
	if len(t.keys) == 1 {
		return
	}
	for l := range t.keys {
		if strings.HasPrefix(pending, "asynq:{"+lane(l).tag()+"}") {
			t.next = l + 1
		}
	}
}

package jobs

import "strings"

// roundRobin is the order in which one worker polls the lanes. Without a cluster one script sees all of them, and decides by the book
// of shares; on one a script sees one lane, and the lanes take turns. It belongs to the one goroutine that takes jobs.
type roundRobin struct {
	keys [][]string // of the pick script, for each group of lanes that it can see
	next int        // of those, which to begin with
}

func newRoundRobin(y layout) roundRobin {
	r := roundRobin{}
	for _, lanes := range y.groups() {
		keys := []string{y.wakeups(lanes[0]), y.free(lanes[0]), y.book(lanes[0])}
		r.keys = append(r.keys, append(keys, pendingLists(lanes)...))
	}
	return r
}

// order returns the keys for the pick script, one list for each call that it takes. The token is of a pending list that was heard of.
func (r *roundRobin) order(token string) [][]string {
	if len(r.keys) == 1 {
		return r.keys
	}
	var groups [][]string
	for i := range r.keys {
		l := (r.next + i) % len(r.keys)
		if strings.HasPrefix(token, "asynq:{"+lane(l).tag()+"}") {
			groups = append([][]string{r.keys[l]}, groups...)
		} else {
			groups = append(groups, r.keys[l])
		}
	}
	return groups
}

// served moves on after a job from this pending list.
func (r *roundRobin) served(pending string) {
	if len(r.keys) == 1 {
		return
	}
	for l := range r.keys {
		if strings.HasPrefix(pending, "asynq:{"+lane(l).tag()+"}") {
			r.next = l + 1
		}
	}
}

package jobs

import "strings"

// schedule is who is asked first, job after job: high six times out of ten, default three times, low once. What is asked for
// and not there falls to the next in rank, so that nothing waits for a turn and nothing starves.
var schedule = []Priority{High, Default, High, High, Low, High, Default, High, High, Default}

// turns is the order in which one worker serves the queues: priorities by schedule, the lanes of each priority in turn. It
// belongs to the one goroutine that takes jobs.
type turns struct {
	taken int
	next  map[Priority]int // lane to begin with
	lanes int
}

func newTurns(lanes int) turns { return turns{next: map[Priority]int{}, lanes: lanes} }

// order returns the keys for the pick script, one list for each group of lanes that a script can see. ahead is how many
// jobs will have been taken before, when several are asked for at once.
func (t *turns) order(y layout, hint string, ahead int) [][]string {
	first := schedule[(t.taken+ahead)%len(schedule)]
	ranks := []Priority{first}
	for _, p := range priorities {
		if p.name != first {
			ranks = append(ranks, p.name)
		}
	}
	if y.cluster {
		return t.byLane(y, ranks, hint)
	}
	keys := make([]string, 0, 3+len(ranks)*t.lanes)
	keys = append(keys, globalBell, globalFree)
	if hint != "" {
		keys = append(keys, hint)
	}
	for _, p := range ranks {
		for i := range t.lanes {
			keys = append(keys, lane((t.next[p]+ahead+i)%t.lanes).pending(p))
		}
	}
	return [][]string{keys}
}

// byLane is the order on a cluster, where a script sees one lane: the lanes take turns, and priorities count within each.
func (t *turns) byLane(y layout, ranks []Priority, hint string) [][]string {
	var groups [][]string
	for i := range t.lanes {
		l := lane((t.next[ranks[0]] + i) % t.lanes)
		keys := []string{y.bell(l), y.free(l)}
		for _, p := range ranks {
			keys = append(keys, l.pending(p))
		}
		if strings.HasPrefix(hint, "asynq:{"+l.tag()+"}") {
			groups = append([][]string{keys}, groups...)
		} else {
			groups = append(groups, keys)
		}
	}
	return groups
}

// served moves on after a job from this queue.
func (t *turns) served(pending string) {
	t.taken++
	for _, p := range priorities {
		for l := range t.lanes {
			if lane(l).pending(p.name) == pending {
				t.next[p.name] = l + 1
				return
			}
		}
	}
}

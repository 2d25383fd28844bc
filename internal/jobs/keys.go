package jobs

import (
	"crypto/sha256"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

// A lane is one fair share of the queue: three asynq queues, one per priority, and the records of the jobs that went
// through them. Clients are spread over the lanes and the lanes are served in turn. All keys of a lane carry the hash tag
// {lane<n>}, so that a script may touch all of them, on a cluster too, where lanes are also what spreads the load.
//
// asynq builds its keys as asynq:{<queue>}:..., and Redis hashes what stands between the first { and the first }. A queue
// named lane3}-high therefore shares the tag of lane3. It looks odd in asynqmon and saves every two-phase write.
//
// The lane of a job's record stands in its id. It is the one that the job is queued in, too, but for this: an idempotency key
// fixes the record's lane, and without a cluster such a job is queued wherever it is best off.
type lane uint8

const (
	// minLanes are there even without a cluster: with eight, a client that fills one leaves seven to the others.
	minLanes = 8
	// maxLanes is what one byte of a job's id can say.
	maxLanes = 256

	// cancelChannel carries the ids of running jobs that are to be stopped.
	cancelChannel = "safepy:cancel"
	// watchChannel carries the ids of running jobs whose output somebody wants to see.
	watchChannel = "safepy:watch"
	// Ours are, without a cluster, one for all lanes. Processes of earlier versions use them as well, under these names.

	// wakeupsKey is a list of the tokens that wake workers.
	wakeupsKey = "bell"
	// freeKey is the list of free workers: a sorted set of the channels of those that have said that nothing waits, by how many slots
	// they have free.
	freeKey = "free"
	// bookKey is the hash of what each share has used; see lua/shares.lua.
	bookKey = "shares"

	globalFree = "safepy:" + freeKey
	globalBook = "safepy:" + bookKey
)

// priorities from the highest on.
var priorities = []Priority{High, Default, Low}

// schedule is which priority of a client is taken first, job after job: of ten jobs that are taken while all kinds wait, six are high,
// three are default and one is low. What is not there falls to the next in rank. The scripts have it from here.
var schedule = []Priority{High, Default, High, High, Low, High, Default, High, High, Default}

// rank is a priority's place among the priorities; an unknown one has that of Default.
func (p Priority) rank() int {
	if i := slices.Index(priorities, p); i >= 0 {
		return i
	}
	return slices.Index(priorities, Default)
}

// weight is how many places a priority has in the schedule.
func (p Priority) weight() (n int) {
	for _, q := range schedule {
		if q == p {
			n++
		}
	}
	return n
}

func (l lane) tag() string               { return "lane" + strconv.Itoa(int(l)) }
func (l lane) queue(p Priority) string   { return l.tag() + "}-" + string(p) }
func (l lane) asynq(p Priority) string   { return "asynq:{" + l.queue(p) + "}:" }
func (l lane) pending(p Priority) string { return l.asynq(p) + "pending" }
func (l lane) record(id string) string   { return "safepy:{" + l.tag() + "}:j:" + id }

// live names what is known of a run's output while somebody watches: a part of it, or the channel that says how far it is.
func (l lane) live(id, part string) string { return "safepy:{" + l.tag() + "}:live:" + id + ":" + part }
func (l lane) index() string               { return "safepy:{" + l.tag() + "}:recent" }

// layout is how the lanes lie in a Redis: how many there are, and which of them one script can see.
type layout struct {
	lanes   int
	cluster bool
}

func newLayout(rdb redis.UniversalClient, shards int) (layout, error) {
	if shards > maxLanes {
		return layout{}, fmt.Errorf("%d queue shards: at most %d", shards, maxLanes)
	}
	_, cluster := rdb.(*redis.ClusterClient)
	return layout{lanes: max(shards, minLanes), cluster: cluster}, nil
}

// wakeups is the list whose tokens say that there are jobs in a lane; wakeupsOf is that of the lane that a pending list is in.
func (y layout) wakeups(l lane) string           { return y.laneKey(l.pending(Default), wakeupsKey) }
func (y layout) wakeupsOf(pending string) string { return y.laneKey(pending, wakeupsKey) }

// free is the list of free workers, likewise; on a cluster nobody is in it.
func (y layout) free(l lane) string           { return y.laneKey(l.pending(Default), freeKey) }
func (y layout) freeOf(pending string) string { return y.laneKey(pending, freeKey) }

// book is the book of shares, likewise.
func (y layout) book(l lane) string           { return y.laneKey(l.pending(Default), bookKey) }
func (y layout) bookOf(pending string) string { return y.laneKey(pending, bookKey) }

// laneKey is a key of ours of the lane that a pending list is in.
func (y layout) laneKey(pending, name string) string {
	if !y.cluster {
		return "safepy:" + name
	}
	tag, _, _ := strings.Cut(strings.TrimPrefix(pending, "asynq:"), "}")
	return "safepy:" + tag + "}:" + name
}

// books are all of them.
func (y layout) books() []string {
	var all []string
	for _, lanes := range y.groups() {
		all = append(all, y.book(lanes[0]))
	}
	return all
}

// groups are the lanes that one script can serve together: all of them, or on a cluster each by itself.
func (y layout) groups() [][]lane {
	var all []lane
	for l := range y.lanes {
		all = append(all, lane(l))
	}
	if !y.cluster {
		return [][]lane{all}
	}
	var each [][]lane
	for _, l := range all {
		each = append(each, []lane{l})
	}
	return each
}

// pendingLists are those of some lanes, by lane and priority.
func pendingLists(lanes []lane) (keys []string) {
	for _, l := range lanes {
		for _, p := range priorities {
			keys = append(keys, l.pending(p))
		}
	}
	return keys
}

// queues are asynq's names of all queues with their weights.
func (y layout) queues() map[string]int {
	q := map[string]int{}
	for l := range y.lanes {
		for _, p := range priorities {
			q[lane(l).queue(p)] = p.weight()
		}
	}
	return q
}

// home is the lane where the records of a client's jobs with idempotency keys are, always the same one.
func (y layout) home(client string) lane {
	h := fnv.New32a()
	h.Write([]byte(client))
	return lane(h.Sum32() % uint32(y.lanes))
}

// newID makes an id that sorts by time and says which lane the job's record is in.
func newID(l lane) string {
	id, err := uuid.NewV7()
	if err != nil {
		panic(err) // the system has no randomness: nothing can go on
	}
	id[15] = byte(l)
	return id.String()
}

// keyedID is the id of the one job that a client's idempotency key stands for. Being computed, it makes simultaneous
// submissions meet at the same record, and one of them wins.
func keyedID(l lane, client, key string) string {
	sum := sha256.Sum256([]byte(strconv.Itoa(len(client)) + ":" + client + key))
	var id uuid.UUID
	copy(id[:], sum[:])
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	id[15] = byte(l)
	return id.String()
}

// laneOf reads the lane out of an id; false when it is no id of ours.
func laneOf(id string) (lane, bool) {
	u, err := uuid.Parse(id)
	if err != nil || u.String() != id {
		return 0, false
	}
	return lane(u[15]), true
}

package jobs

import (
	"crypto/sha256"
	"fmt"
	"hash/fnv"
	"strconv"

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
	// globalBell wakes workers when all lanes live on one Redis.
	globalBell = "safepy:bell"
	// globalFree is a sorted set of the channels of workers that have said that nothing waits, by how many slots they have free.
	globalFree = "safepy:free"
	// globalBook is the hash of what each share has used; see lua/shares.lua.
	globalBook = "safepy:shares"
)

// priorities with their weights, highest first: out of ten jobs taken while all kinds wait, six, three and one.
var priorities = []struct {
	name   Priority
	weight int
}{{High, 6}, {Default, 3}, {Low, 1}}

func (l lane) tag() string               { return "lane" + strconv.Itoa(int(l)) }
func (l lane) queue(p Priority) string   { return l.tag() + "}-" + string(p) }
func (l lane) asynq(p Priority) string   { return "asynq:{" + l.queue(p) + "}:" }
func (l lane) pending(p Priority) string { return l.asynq(p) + "pending" }
func (l lane) record(id string) string   { return "safepy:{" + l.tag() + "}:j:" + id }
func (l lane) index() string             { return "safepy:{" + l.tag() + "}:recent" }
func (l lane) bell() string              { return "safepy:{" + l.tag() + "}:bell" }
func (l lane) free() string              { return "safepy:{" + l.tag() + "}:free" }
func (l lane) book() string              { return "safepy:{" + l.tag() + "}:shares" }

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

// bell is the key on which workers wait for jobs of a lane.
func (y layout) bell(l lane) string {
	if y.cluster {
		return l.bell()
	}
	return globalBell
}

// free is the key of the workers with free slots; on a cluster nobody is in it.
func (y layout) free(l lane) string {
	if y.cluster {
		return l.free()
	}
	return globalFree
}

// book is the key of the book of shares that a lane's jobs are in.
func (y layout) book(l lane) string {
	if y.cluster {
		return l.book()
	}
	return globalBook
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

// queues are asynq's names of all queues with their weights.
func (y layout) queues() map[string]int {
	q := map[string]int{}
	for l := range y.lanes {
		for _, p := range priorities {
			q[lane(l).queue(p.name)] = p.weight
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

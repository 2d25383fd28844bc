package jobs

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// ListOptions select jobs. The zero value is the newest fifty of everybody.
type ListOptions struct {
	Status Status
	// Client, if set, selects the jobs of one client.
	Client string
	// Limit is the most jobs on a page, 1 to 500; 0 is 50.
	Limit int
	// Cursor is ListPage.Next of the page before; empty is the newest.
	Cursor string
}

// ListPage is a part of the list. Its jobs are without result, output and files, which Get has.
type ListPage struct {
	Jobs []*Job
	// Next is the cursor of the page after this one, empty at the end. A page can hold fewer jobs than asked for, even none,
	// and still have a next: a page looks at no more than listReach jobs.
	Next string
}

// ErrBadCursor: not a cursor that List gave out.
var ErrBadCursor = errors.New("not a cursor of this list")

const (
	listLimit = 50
	maxList   = 500
	// listReach bounds the work of one call, when few jobs are of the status asked for.
	listReach = 2000
	// listBatch is how many jobs are looked at in one round trip.
	listBatch = 200
)

// entry is a job in the index; newest first, the id decides among equals.
type entry struct {
	created int64
	id      string
}

func newestFirst(a, b entry) int {
	return cmp.Or(cmp.Compare(b.created, a.created), strings.Compare(b.id, a.id))
}

func (e entry) cursor() string { return strconv.FormatInt(e.created, 10) + "_" + e.id }

func parseCursor(s string) (entry, error) {
	created, id, ok := strings.Cut(s, "_")
	n, err := strconv.ParseInt(created, 10, 64)
	if _, known := laneOf(id); !ok || err != nil || !known {
		return entry{}, ErrBadCursor
	}
	return entry{n, id}, nil
}

// List returns jobs, newest first: the last ten thousand of each lane, as long as their results are kept.
func (q *Queue) List(ctx context.Context, o ListOptions) (ListPage, error) {
	limit := min(cmp.Or(max(o.Limit, 0), listLimit), maxList)
	var after *entry
	if o.Cursor != "" {
		e, err := parseCursor(o.Cursor)
		if err != nil {
			return ListPage{}, err
		}
		after = &e
	}
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	page := ListPage{Jobs: []*Job{}}
	for looked := 0; looked < listReach; looked += listBatch {
		entries, err := q.entries(ctx, after)
		if err != nil {
			return ListPage{}, unavailable(caller, "list", err)
		}
		jobs, err := q.summaries(ctx, entries)
		if err != nil {
			return ListPage{}, unavailable(caller, "list", err)
		}
		full := false
		for i, j := range jobs {
			after = &entries[i]
			if j == nil || o.Status != "" && j.Status != o.Status || o.Client != "" && j.Client != o.Client {
				continue
			}
			page.Jobs = append(page.Jobs, j)
			if full = len(page.Jobs) == limit; full {
				break
			}
		}
		if full {
			page.Next = after.cursor()
		}
		if full || len(entries) < listBatch {
			return page, q.explain(ctx, caller, page.Jobs)
		}
	}
	page.Next = after.cursor()
	return page, q.explain(ctx, caller, page.Jobs)
}

// explain reads why the jobs of a page have failed. Of all others that were looked at nothing is read but what is short.
func (q *Queue) explain(ctx, caller context.Context, page []*Job) error {
	pipe := q.rdb.Pipeline()
	records := make([]*redis.SliceCmd, len(page))
	for i, j := range page {
		if j.Status == Failed {
			l, _ := laneOf(j.ID)
			records[i] = pipe.HMGet(ctx, l.record(j.ID), "ec", "em")
		}
	}
	if pipe.Len() == 0 {
		return nil
	}
	if err := execute(ctx, pipe); err != nil {
		return unavailable(caller, "list", err)
	}
	for i, r := range records {
		if r == nil || len(r.Val()) < 2 {
			continue
		}
		if code := text(r.Val()[0]); code != "" {
			page[i].Error = &Error{Code: Code(code), Message: text(r.Val()[1])}
			page[i].Error.bound()
		}
	}
	return nil
}

// execute sends a pipeline. Keys that are of another kind than ours are nobody's: their commands have no value, and are no error.
func execute(ctx context.Context, pipe redis.Pipeliner) error {
	commands, err := pipe.Exec(ctx)
	if len(commands) == 0 {
		return err
	}
	for _, c := range commands {
		if err := c.Err(); err != nil && !errors.Is(err, redis.Nil) && !foreign(err) {
			return err
		}
	}
	return nil
}

// foreign reports whether Redis has said that a key is of another kind, itself or through a script.
func foreign(err error) bool { return err != nil && strings.Contains(err.Error(), "WRONGTYPE") }

// entries reads the next of all lanes after the cursor.
func (q *Queue) entries(ctx context.Context, after *entry) ([]entry, error) {
	upTo := "+inf"
	if after != nil {
		upTo = strconv.FormatInt(after.created, 10)
	}
	pipe := q.rdb.Pipeline()
	lanes := make([]*redis.ZSliceCmd, q.layout.lanes)
	for l := range lanes {
		// Those of the cursor's own microsecond come again and are dropped below; more than one is rare.
		lanes[l] = pipe.ZRevRangeByScoreWithScores(ctx, lane(l).index(), &redis.ZRangeBy{Min: "-inf", Max: upTo, Count: listBatch + 8})
	}
	if err := execute(ctx, pipe); err != nil {
		return nil, err
	}
	var all []entry
	for _, l := range lanes {
		for _, z := range l.Val() {
			id, _ := z.Member.(string)
			if _, ours := laneOf(id); !ours {
				continue
			}
			e := entry{int64(z.Score), id}
			if after == nil || newestFirst(*after, e) < 0 {
				all = append(all, e)
			}
		}
	}
	slices.SortFunc(all, newestFirst)
	return all[:min(len(all), listBatch)], nil
}

// summaries reads the records of the entries; nil for those that have expired, and for what is none.
func (q *Queue) summaries(ctx context.Context, entries []entry) ([]*Job, error) {
	if len(entries) == 0 {
		return nil, nil
	}
	pipe := q.rdb.Pipeline()
	records := make([]*redis.SliceCmd, len(entries))
	for i, e := range entries {
		l, _ := laneOf(e.id)
		records[i] = pipe.HMGet(ctx, l.record(e.id), summaryFields...)
	}
	if err := execute(ctx, pipe); err != nil {
		return nil, err
	}
	jobs := make([]*Job, len(entries))
	for i, r := range records {
		jobs[i] = parseRecord(entries[i].id, r.Val())
	}
	return jobs, nil
}

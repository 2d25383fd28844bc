package jail

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"safepy/internal/jail/procfs"
)

// profileJob shows what a job writes to: the steps of one of the kinds in rehearse.py.
const profileJob = `from runner import rehearse


def main():
    for step in rehearse.%s()[%d]:
        step()
    print("studied", 1.5)
    return {"studied": [1, 2.5, None, "x"]}
`

// profileKinds is how many kinds of job there are with data frames, and without.
const profileKinds = 3

// profile has the first children run a job each, looks which pages they and the server have written since the fork, each of which was a
// page fault and a copy, and has the server pin them, so that from now on the fork copies them by itself; and it shares the code that
// the jobs ran. A host that does not allow it has slower jobs, which is said and no reason not to start.
func (v *server) profile(p *plan, dataFrames bool) error {
	seen, err := v.observe()
	if err != nil {
		if !v.alive() {
			return v.broken("profile", err)
		}
		p.saidUnprofiled.Do(func() {
			p.log.Warn("which pages jobs use cannot be found out, so each job finds and copies them one by one and is slower", "error", err)
		})
	}
	for _, at := range seen.textSegments[:min(len(seen.textSegments), sharedSegments)] {
		if file := p.textSegments.of(at.TextSegment); file != nil {
			if err := v.share(file, at.Address); err != nil {
				return err
			}
		}
	}
	every := seen.every[:min(len(seen.every), pinnedRuns)]
	forFrames := seen.dataFrames[:min(len(seen.dataFrames), pinnedRuns-len(every))]
	for _, message := range [][]byte{fmt.Appendf(nil, "pin %d", len(every)), list(slices.Concat(every, forFrames))} {
		if _, err := v.control.Write(message); err != nil {
			return v.broken("profile", err)
		}
	}
	e, inTime := within(startTimeout, v.events) // with nothing in it when the server is gone
	switch {
	case !inTime:
		return errors.New("the jail did not pin its pages in time")
	case e.Pinned == nil:
		return v.broken("profile", errJailLost)
	}
	if wanted := procfs.PagesIn(every); e.Why != "" || *e.Pinned < wanted {
		p.saidUnpinned.Do(func() {
			p.log.Info("pages that jobs write to cannot be pinned here, or not all, so each job copies them one by one and is slower;"+
				" docs/performance.md says what it takes", "because", e.Why, "pinned", *e.Pinned, "of", wanted)
		})
	}
	v.pinned, v.shared = *e.Pinned, e.Shared
	v.tunable = len(forFrames) > 0
	v.dataFrames = !dataFrames // it has not been told either
	return v.expect(dataFrames)
}

// writeSet is the pages that every job writes to, or its server from one child to the next; those that one with data frames writes to
// besides, which are more; and the huge pages of code that children run.
type writeSet struct {
	every, dataFrames []procfs.PageRun
	textSegments      []procfs.MappedText
}

// pinnedRuns is how many runs of pages there can be in a message to the server; sharedSegments is how many text segments a server is given.
const (
	pinnedRuns     = 4000
	sharedSegments = 8
)

// observe sees children of each kind to their ends, and waits for one more. Until it is told what to pin the server shares its memory
// with a process that is made for it, the copy-on-write reference: what nobody has written to is theirs together.
func (v *server) observe() (writeSet, error) {
	_, withFrames := v.versions[dataFramesLibrary]
	var seen writeSet
	all, err := procfs.Mappings(v.pid)
	if err != nil {
		return seen, err
	}
	own := slices.DeleteFunc(slices.Clone(all), func(m procfs.Mapping) bool { return !m.Writable })
	// mostWrite is what most of the kinds write to.
	mostWrite := func(kinds string) ([]uint64, error) {
		times := map[uint64]int{}
		for i := range profileKinds {
			err := v.profileChild(fmt.Sprintf(profileJob, kinds, i), func() error {
				pages, err := procfs.ExclusivePages(v.jobPID(), own)
				if err != nil {
					return err
				}
				for _, page := range pages {
					times[page]++
				}
				if seen.textSegments == nil {
					seen.textSegments, err = procfs.UsedTexts(v.jobPID(), procfs.TextsIn(all))
				}
				return err
			})
			if err == nil {
				err = v.firstChild()
			}
			if err != nil {
				return nil, err
			}
		}
		maps.DeleteFunc(times, func(_ uint64, n int) bool { return 2*n <= profileKinds })
		return slices.Collect(maps.Keys(times)), nil
	}
	var every, frames, servers []uint64
	if withFrames {
		frames, err = mostWrite("frame_kinds")
	}
	if err == nil {
		every, err = mostWrite("kinds")
	}
	if err == nil {
		servers, err = procfs.ExclusivePages(v.pid, own)
	}
	if v.next != nil { // whatever has become of it: the server takes no other order meanwhile
		v.next.close() // which ends it
		v.next = nil
		err = errors.Join(err, v.reap())
	}
	if err != nil {
		return writeSet{}, err
	}
	every = append(every, servers...)
	slices.Sort(every)
	every = slices.Compact(every)
	frames = slices.DeleteFunc(frames, func(page uint64) bool {
		_, found := slices.BinarySearch(every, page)
		return found
	})
	slices.Sort(frames)
	seen.every, seen.dataFrames = procfs.Runs(every), procfs.Runs(frames)
	return seen, nil
}

// profileChild gives the child that waits a job to be profiled, calls look when it has answered and is still there, and sees it to its end.
func (v *server) profileChild(script string, look func() error) error {
	c := v.next
	v.next = nil
	defer c.close()
	unlimited := Limits{Timeout: startTimeout}
	payload, err := encodeOrder(Job{Script: script}, unlimited)
	if err != nil {
		return err
	}
	c.job.send(payload)
	c.stdin.end()
	if _, inTime := within(startTimeout, c.result.done); !inTime { // it ends with its jail, too
		return errors.New("the profiled job did not end")
	}
	if o, ok := parse(c.result.bytes(), v.limits); !ok || o.Failure != nil {
		err = fmt.Errorf("the profiled job failed: %.500q", c.result.bytes())
	} else if err = v.knowChild(); err == nil {
		err = look()
	}
	c.job.close()
	return errors.Join(err, v.reap())
}

// knowChild waits until the server has said which process its latest child is: a quick one answers before.
func (v *server) knowChild() error {
	for v.jobPID() == 0 {
		switch known, inTime := within(startTimeout, v.knows); {
		case !inTime:
			return errors.New("the jail did not say who its child is")
		case !known:
			return errJailLost
		}
	}
	return nil
}

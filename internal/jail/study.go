package jail

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"safepy/internal/jail/procfs"
)

// studiedJob shows what a job writes to: the steps of one of the kinds in rehearse.py.
const studiedJob = `from runner import rehearse


def main():
    for step in rehearse.%s()[%d]:
        step()
    print("studied", 1.5)
    return {"studied": [1, 2.5, None, "x"]}
`

// studiedKinds is how many kinds of job there are with data frames, and without.
const studiedKinds = 3

// study has the first children run a job each, looks which pages they and the server have written since the fork, each of which was a
// page fault and a copy, and has the server pin them, so that from now on the fork copies them by itself; and it shares the code that
// the jobs ran. A host that does not allow it has slower jobs, which is said and no reason not to start.
func (v *server) study(p *plan, expectFrames bool) error {
	seen, err := v.observe()
	if err != nil {
		if !v.alive() {
			return v.broken("study", err)
		}
		p.unstudied.Do(func() {
			p.log.Warn("which pages jobs use cannot be found out, so each job finds and copies them one by one and is slower", "error", err)
		})
	}
	for _, at := range seen.texts[:min(len(seen.texts), sharedTexts)] {
		if file := p.texts.of(at.TextSegment); file != nil {
			if err := v.share(file, at.Address); err != nil {
				return err
			}
		}
	}
	every := seen.every[:min(len(seen.every), pinnedRuns)]
	frames := seen.frames[:min(len(seen.frames), pinnedRuns-len(every))]
	for _, message := range [][]byte{fmt.Appendf(nil, "pin %d", len(every)), list(slices.Concat(every, frames))} {
		if _, err := v.control.Write(message); err != nil {
			return v.broken("study", err)
		}
	}
	e, inTime := within(startTimeout, v.events) // with nothing in it when the server is gone
	switch {
	case !inTime:
		return errors.New("the jail did not pin its pages in time")
	case e.Pinned == nil:
		return v.broken("study", errLost)
	}
	if wanted := procfs.PagesIn(every); e.Why != "" || *e.Pinned < wanted {
		p.unpinned.Do(func() {
			p.log.Info("pages that jobs write to cannot be pinned here, or not all, so each job copies them one by one and is slower;"+
				" README, Performance, says what it takes", "because", e.Why, "pinned", *e.Pinned, "of", wanted)
		})
	}
	v.pinned, v.shared = *e.Pinned, e.Shared
	v.framed = len(frames) > 0
	v.frames = !expectFrames // it has not been told either
	return v.expect(expectFrames)
}

// studiedPages are those that every job writes to, or its server from one child to the next; those that one with data frames writes to
// besides, which are more; and the huge pages of code that children run.
type studiedPages struct {
	every, frames []procfs.PageRun
	texts         []procfs.MappedText
}

// pinnedRuns is how many runs of pages there can be in a message to the server; sharedTexts is how many texts a server is given.
const (
	pinnedRuns  = 4000
	sharedTexts = 8
)

// observe sees children of each kind to their ends, and waits for one more. Until it is told what to pin the server shares its memory
// with a shadow: what nobody has written to is theirs together.
func (v *server) observe() (studiedPages, error) {
	_, withFrames := v.versions[framesLibrary]
	var seen studiedPages
	all, err := procfs.Mappings(v.pid)
	if err != nil {
		return seen, err
	}
	own := slices.DeleteFunc(slices.Clone(all), func(m procfs.Mapping) bool { return !m.Writable })
	// mostWrite is what most of the kinds write to.
	mostWrite := func(kinds string) ([]uint64, error) {
		times := map[uint64]int{}
		for i := range studiedKinds {
			err := v.studyChild(fmt.Sprintf(studiedJob, kinds, i), func() error {
				pages, err := procfs.ExclusivePages(v.jobPID(), own)
				if err != nil {
					return err
				}
				for _, page := range pages {
					times[page]++
				}
				if seen.texts == nil {
					seen.texts, err = procfs.UsedTexts(v.jobPID(), procfs.TextsIn(all))
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
		maps.DeleteFunc(times, func(_ uint64, n int) bool { return 2*n <= studiedKinds })
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
		err = errors.Join(err, v.settle())
	}
	if err != nil {
		return studiedPages{}, err
	}
	every = append(every, servers...)
	slices.Sort(every)
	every = slices.Compact(every)
	frames = slices.DeleteFunc(frames, func(page uint64) bool {
		_, found := slices.BinarySearch(every, page)
		return found
	})
	slices.Sort(frames)
	seen.every, seen.frames = procfs.Runs(every), procfs.Runs(frames)
	return seen, nil
}

// studyChild gives the child that waits a studied job, calls look when it has answered and is still there, and sees it to its end.
func (v *server) studyChild(script string, look func() error) error {
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
		return errors.New("the studied job did not end")
	}
	if o, ok := parse(c.result.bytes(), v.limits); !ok || o.Failure != nil {
		err = fmt.Errorf("the studied job failed: %.500q", c.result.bytes())
	} else if err = v.knowChild(); err == nil {
		err = look()
	}
	c.job.close()
	return errors.Join(err, v.settle())
}

// knowChild waits until the server has said which process its latest child is: a quick one answers before.
func (v *server) knowChild() error {
	for v.jobPID() == 0 {
		switch known, inTime := within(startTimeout, v.knows); {
		case !inTime:
			return errors.New("the jail did not say who its child is")
		case !known:
			return errLost
		}
	}
	return nil
}

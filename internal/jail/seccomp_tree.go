package jail

import (
	"slices"
	"syscall"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Where a filter finds what it decides by: offsets in struct seccomp_data, whose arguments are 64 bits wide, the lower half first.
const (
	callNumber = 0
	callArch   = 4
	argument0  = 16
	argument1  = 24
	upperHalf  = 4
)

var (
	allow  = verdict(seccomp.ActionAllow)
	refuse = verdict(seccomp.ActionErrno | seccomp.Action(syscall.EPERM))
	absent = verdict(seccomp.ActionErrno | seccomp.Action(syscall.ENOSYS))
)

func verdict(a seccomp.Action) []bpf.Instruction {
	return []bpf.Instruction{bpf.RetConstant{Val: uint32(a)}}
}

// stretch says what happens to all calls from number first to that of the next one.
type stretch struct {
	first uint32
	then  []bpf.Instruction
}

// jobFilter is the job's one filter: a search among the numbers that are let through. The list that the library makes of its names
// is gone through from the start, 190 comparisons, and by the kernel once for every number there is when the filter is installed;
// with a filter of its own for each conditional call that took 0.27 ms for each job, and a search 0.08. Its length counts as well, since
// the kernel compiles it for each job: 126 instructions take half the time of 490.
//
// except names calls that are refused for all that.
func jobFilter(target *arch.Info, except ...string) []bpf.Instruction {
	search := findStretch(stretches(target, except))
	return append([]bpf.Instruction{
		bpf.LoadAbsolute{Off: callArch, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(target.ID), SkipTrue: 1},
		refuse[0], // the numbers mean other calls there
		bpf.LoadAbsolute{Off: callNumber, Size: 4},
	}, search...)
}

// stretches covers every number there is, in order.
func stretches(target *arch.Info, except []string) []stretch {
	special := map[string][]bpf.Instruction{
		"clone": threadsOnly, "socketpair": localPairs,
		// Its flags lie in memory, where no filter can look; told that it does not exist, the C library uses clone.
		"clone3": absent,
	}
	then := map[uint32][]bpf.Instruction{}
	for _, name := range allowedCalls {
		if number, known := target.SyscallNames[name]; known && !slices.Contains(except, name) {
			then[uint32(number)] = allow
		}
	}
	for name, what := range special {
		if number, known := target.SyscallNames[name]; known {
			then[uint32(number)] = what
		}
	}
	var numbers []uint32
	for number := range then {
		numbers = append(numbers, number)
	}
	slices.Sort(numbers)

	all := []stretch{{0, refuse}}
	add := func(first uint32, what []bpf.Instruction) {
		last := &all[len(all)-1]
		switch before := len(all) - 2; {
		case last.first == first && before >= 0 && &all[before].then[0] == &what[0]:
			all = all[:before+1] // which goes on
		case last.first == first:
			last.then = what
		case &last.then[0] != &what[0]: // else the one before goes on
			all = append(all, stretch{first, what})
		}
	}
	for _, number := range numbers {
		add(number, then[number])
		add(number+1, refuse)
	}
	// Calls of the x32 kind, which no job's Python makes.
	const x32 = 0x4000_0000
	add(x32, absent)
	return all
}

// findStretch halves the stretches until one is left, and goes to what it says. All that they say stands once, behind the search.
func findStretch(all []stretch) []bpf.Instruction {
	var steps []step
	var ends [][]bpf.Instruction
	end := func(what []bpf.Instruction) goal {
		i := slices.IndexFunc(ends, func(e []bpf.Instruction) bool { return &e[0] == &what[0] })
		if i < 0 {
			i = len(ends)
			ends = append(ends, what)
		}
		return goal{end: true, index: i}
	}
	var halve func(s []stretch) goal
	halve = func(s []stretch) goal {
		if len(s) == 1 {
			return end(s[0].then)
		}
		middle, here := len(s)/2, len(steps)
		steps = append(steps, step{first: s[middle].first})
		below, above := halve(s[:middle]), halve(s[middle:])
		steps[here].below, steps[here].above = below, above
		return goal{index: here}
	}
	halve(all)
	skip := func(from int, to goal) uint8 {
		at := to.index
		if to.end {
			at = len(steps)
			for _, e := range ends[:to.index] {
				at += len(e)
			}
		}
		if at -= from + 1; at < 0 || at > 255 {
			panic("seccomp: the search has become too long for its jumps")
		}
		return uint8(at)
	}
	var program []bpf.Instruction
	for i, s := range steps {
		program = append(program, bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: s.first, SkipTrue: skip(i, s.above), SkipFalse: skip(i, s.below)})
	}
	return append(program, slices.Concat(ends...)...)
}

// step is one comparison of the search: where it goes on for numbers below first, and for the others.
type step struct {
	first        uint32
	below, above goal
}

// goal is a step, or one of the ends.
type goal struct {
	end   bool
	index int
}

// threadsOnly lets clone make threads: no process, no namespaces.
var threadsOnly = []bpf.Instruction{
	bpf.LoadAbsolute{Off: argument0, Size: 4},
	bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: newThread, SkipFalse: 2},
	bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: newNamespaces, SkipTrue: 1},
	allow[0],
	refuse[0],
}

// localPairs lets socketpair make local streams and sequenced packets. A half of a datagram pair can send to any address there is,
// without connecting and out of a filter's sight; datagram and raw are the types with this bit.
var localPairs = []bpf.Instruction{
	bpf.LoadAbsolute{Off: argument0 + upperHalf, Size: 4},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0, SkipTrue: 5},
	bpf.LoadAbsolute{Off: argument0, Size: 4},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.AF_UNIX, SkipTrue: 3},
	bpf.LoadAbsolute{Off: argument1, Size: 4},
	bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: unix.SOCK_DGRAM, SkipTrue: 1},
	allow[0],
	refuse[0],
}

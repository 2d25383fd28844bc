package seccomp

import (
	"slices"
	"strings"

	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
)

// stretch says what happens to all calls from number first to that of the next one.
type stretch struct {
	first uint32
	then  *reply
}

// jobFilter is the filter of a job with this pid: a search among the numbers that are answered otherwise than with EPERM. The list that
// the library makes of its names is gone through from the start, 190 comparisons, and by the kernel once for every number there is
// when the filter is installed; with a filter of its own for each conditional call that took 0.27 ms for each job, and a search a third.
// Its length counts as well, since the kernel compiles it for each job.
//
// The later of two calls of one name counts.
func jobFilter(target *arch.Info, pid uint32, calls ...rule) []bpf.Instruction {
	search := findStretch(stretches(target, calls), identityOf(pid))
	return append([]bpf.Instruction{
		bpf.LoadAbsolute{Off: callArch, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(target.ID), SkipTrue: 1},
		forbidden.program(identity{})[0], // the numbers mean other calls there
		bpf.LoadAbsolute{Off: callNumber, Size: 4},
	}, search...)
}

// stretches covers every number there is, in order.
func stretches(target *arch.Info, calls []rule) []stretch {
	then := map[uint32]*reply{}
	for _, c := range calls {
		for name := range strings.FieldsSeq(c.names) {
			if number, known := target.SyscallNames[name]; known {
				then[uint32(number)] = c.reply
			}
		}
	}
	var numbers []uint32
	for number := range then {
		numbers = append(numbers, number)
	}
	slices.Sort(numbers)

	all := []stretch{{0, forbidden}}
	add := func(first uint32, what *reply) {
		last := &all[len(all)-1]
		switch before := len(all) - 2; {
		case last.first == first && before >= 0 && all[before].then == what:
			all = all[:before+1] // which goes on
		case last.first == first:
			last.then = what
		case last.then != what: // else the one before goes on
			all = append(all, stretch{first, what})
		}
	}
	for _, number := range numbers {
		add(number, then[number])
		add(number+1, forbidden)
	}
	// Calls of the x32 kind, which no job's Python makes.
	const x32 = 0x4000_0000
	add(x32, absent)
	return all
}

// findStretch halves the stretches until one is left, and goes to what it says. All that they say stands once, behind the search.
func findStretch(all []stretch, self identity) []bpf.Instruction {
	var steps []step
	var halve func(s []stretch) goal
	halve = func(s []stretch) goal {
		if len(s) == 1 {
			return goal{reply: s[0].then}
		}
		middle, here := len(s)/2, len(steps)
		steps = append(steps, step{first: s[middle].first})
		below, above := halve(s[:middle]), halve(s[middle:])
		steps[here].below, steps[here].above = below, above
		return goal{step: here}
	}
	halve(all)
	answers, starts := layOut(all, self, len(steps))
	skip := func(from int, to goal) uint8 {
		at := to.step
		if to.reply != nil {
			at = starts[to.reply]
		}
		if at -= from + 1; at < 0 || at > longestSkip {
			panic("seccomp: the search has become too long for its jumps")
		}
		return uint8(at)
	}
	var program []bpf.Instruction
	for i, s := range steps {
		program = append(program, bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: s.first, SkipTrue: skip(i, s.above), SkipFalse: skip(i, s.below)})
	}
	return append(program, answers...)
}

// longestSkip is how far a comparison can go.
const longestSkip = 255

// layOut puts each answer once behind the search, the first at from, and says where each is to be gone to. What lies too far for the
// search's first step is gone to by way of a jump, which can go anywhere.
func layOut(all []stretch, self identity, from int) (program []bpf.Instruction, starts map[*reply]int) {
	var order []*reply
	programs := map[*reply][]bpf.Instruction{}
	for _, s := range all {
		if programs[s.then] == nil {
			programs[s.then] = s.then.program(self)
			order = append(order, s.then)
		}
	}
	slices.SortStableFunc(order, func(a, b *reply) int { return len(programs[a]) - len(programs[b]) })
	place := func(jumps int) (far []*reply) {
		starts = map[*reply]int{}
		at := from + jumps
		for _, a := range order {
			if starts[a] = at; at > longestSkip {
				far = append(far, a)
			}
			at += len(programs[a])
		}
		return far
	}
	far := place(0)
	for more := place(len(far)); len(more) > len(far); more = place(len(far)) {
		far = more
	}
	for i, a := range far {
		program = append(program, bpf.Jump{Skip: uint32(starts[a] - (from + i) - 1)})
		starts[a] = from + i
	}
	for _, a := range order {
		program = append(program, programs[a]...)
	}
	return program, starts
}

// step is one comparison of the search: where it goes on for numbers below first, and for the others.
type step struct {
	first        uint32
	below, above goal
}

// goal is a step, or an answer.
type goal struct {
	reply *reply
	step  int
}

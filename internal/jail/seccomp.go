package jail

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
)

// jobProgram is a job's filter as the runner is told it: the kernel's bytes in hexadecimal, the pid that it takes for the job's own, and
// where, in bytes, the numbers lie that another pid would have in its place.
type jobProgram struct {
	Code    string `json:"code"`
	PID     uint32 `json:"pid"`
	PIDAt   []int  `json:"pid_at"`
	ClockAt []int  `json:"clock_at"`
}

// usualPID is that of a job at level Namespaces, where the first process is the one that holds the namespace. Any other is written into the
// program by the job's own process.
const usualPID = 2

// newJobProgram assembles the filter for a level; sharedUID says that jobs have the worker's uid. extra is answered otherwise: tests of
// Prove take walls away by it.
func newJobProgram(target *arch.Info, level Level, sharedUID bool, extra ...jobCall) (jobProgram, error) {
	calls := callsOf(level, sharedUID)
	calls = append(calls, extra...)
	filter, other := jobFilter(target, usualPID, calls...), jobFilter(target, usualPID+1, calls...)
	code, err := encodeProgram(filter)
	if err != nil {
		return jobProgram{}, err
	}
	p := jobProgram{Code: hex.EncodeToString(code), PID: usualPID}
	for i := range filter {
		if filter[i] == other[i] {
			continue
		}
		const value = 4 // where an instruction of 8 bytes has it
		switch jump, _ := filter[i].(bpf.JumpIf); jump.Val {
		case identityOf(usualPID).pid:
			p.PIDAt = append(p.PIDAt, i*instructionBytes+value)
		case identityOf(usualPID).clock:
			p.ClockAt = append(p.ClockAt, i*instructionBytes+value)
		default:
			return jobProgram{}, fmt.Errorf("seccomp: instruction %d depends on the pid in another way", i)
		}
	}
	return p, nil
}

const instructionBytes = 8

func callsOf(level Level, sharedUID bool) []jobCall {
	calls := slices.Clone(jobCalls)
	if level == Process {
		calls = append(calls, processCalls...)
		if sharedUID {
			calls = append(calls, sharedUIDCalls...)
		}
	}
	return calls
}

func assemble(policy seccomp.Policy) ([]byte, error) {
	instructions, err := policy.Assemble()
	if err != nil {
		return nil, err
	}
	return encodeProgram(instructions)
}

// encodeProgram writes instructions as the kernel reads them, eight bytes each.
func encodeProgram(instructions []bpf.Instruction) ([]byte, error) {
	raw, err := bpf.Assemble(instructions)
	if err != nil {
		return nil, err
	}
	var program bytes.Buffer
	for _, i := range raw {
		if err := binary.Write(&program, binary.NativeEndian, i); err != nil {
			return nil, err
		}
	}
	return program.Bytes(), nil
}

// Package seccomp makes the system call filters of a jail: a job's own, which lists what is allowed and answers some calls by their
// arguments, and the outer one around the whole jail, which lists what is refused, as a program for bubblewrap and as a policy for nsjail.
// It installs none of them: the runner, bubblewrap and nsjail do.
package seccomp

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"

	elastic "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
)

// Program is a job's filter as the runner is told it: the kernel's bytes in hexadecimal, the pid that it takes for the job's own, and
// where, in bytes, the numbers lie that another pid would have in its place.
type Program struct {
	Code    string `json:"code"`
	PID     uint32 `json:"pid"`
	PIDAt   []int  `json:"pid_at"`
	ClockAt []int  `json:"clock_at"`
}

// Exposure is what a job can reach besides its own, by which some calls are answered otherwise. At level namespaces it is nothing.
type Exposure struct {
	// Files: there is no mount namespace, and the job can name files that are not its own.
	Files bool
	// SharedUID, beside Files: the job has the worker's uid, and owns all that it owns.
	SharedUID bool
}

// usualPID is that of a job in a pid namespace, where the first process is the one that holds the namespace. Any other is written into the
// program by the job's own process.
const usualPID = 2

// ForJob assembles a job's filter for this machine's system calls.
func ForJob(e Exposure) (Program, error) {
	native, err := arch.GetInfo("")
	if err != nil {
		return Program{}, fmt.Errorf("seccomp: %w", err)
	}
	return forJob(native, e)
}

func forJob(target *arch.Info, e Exposure) (Program, error) {
	calls := callsFor(e)
	filter, other := jobFilter(target, usualPID, calls...), jobFilter(target, usualPID+1, calls...)
	code, err := encodeProgram(filter)
	if err != nil {
		return Program{}, err
	}
	p := Program{Code: hex.EncodeToString(code), PID: usualPID}
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
			return Program{}, fmt.Errorf("seccomp: instruction %d depends on the pid in another way", i)
		}
	}
	return p, nil
}

const instructionBytes = 8

func callsFor(e Exposure) []rule {
	calls := slices.Clone(jobCalls)
	if e.Files {
		calls = append(calls, exposedFileCalls...)
		if e.SharedUID {
			calls = append(calls, sharedUIDCalls...)
		}
	}
	return calls
}

func assemble(policy elastic.Policy) ([]byte, error) {
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

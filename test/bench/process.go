package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// The parts in which the program starts itself, as its first argument.
const (
	partEnter = "enter" // joins a cgroup and becomes another program
	partCold  = "cold"
	partFloor = "floor"
)

// enter puts this process into the cgroups of a meter and becomes the program: args are "DIR -- PROGRAM ARGS...". What the
// program forks is then counted from its first moment.
func enter(args []string) error {
	if len(args) < 3 || args[1] != "--" {
		return errors.New("enter wants a directory, -- and a program")
	}
	if err := os.WriteFile(filepath.Join(args[0], "cgroup.procs"), []byte("0"), 0); err != nil {
		return err
	}
	return fmt.Errorf("exec %s: %w", args[2], syscall.Exec(args[2], args[2:], os.Environ()))
}

// process is one that the benchmark started.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{}
}

// start starts a program whose CPU time m counts. It must be called from the main goroutine; see init.
func start(m *meter, extraEnv []string, program string, args ...string) (*process, error) {
	p, err := prepare(m, extraEnv, program, args...)
	if err != nil {
		return nil, err
	}
	return p, p.begin(m)
}

func prepare(m *meter, extraEnv []string, program string, args ...string) (*process, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		return nil, err
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	line := append([]string{path}, args...)
	if m.group != "" {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		line = append([]string{self, partEnter, m.group, "--"}, line...)
	}
	p := &process{cmd: exec.Command(line[0], line[1:]...), exited: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), extraEnv...)
	p.cmd.Stderr = os.Stderr
	// Out of the terminal's process group: a Ctrl-C there ends the benchmark, which then stops them in order.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	return p, nil
}

func (p *process) begin(m *meter) error {
	if err := p.cmd.Start(); err != nil {
		return err
	}
	m.add(p.cmd.Process.Pid)
	go func() {
		p.cmd.Process.Wait()
		close(p.exited)
	}()
	return nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// stop ends the process the way an operator would, and with force when it takes longer than 10 s.
func (p *process) stop() {
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(10 * time.Second):
		fmt.Fprintf(os.Stderr, "bench: %s does not stop and is killed\n", filepath.Base(p.cmd.Path))
		p.cmd.Process.Kill()
		<-p.exited
	}
}

// part is this program, started in one of its other parts: it is told things on its stdin and answers on its stdout, a line of
// JSON each.
type part struct {
	*process
	tell  *json.Encoder
	hear  *json.Decoder
	pipes []io.Closer
}

// startPart starts a part under a meter of its own, tells it what it is to know and reads its first answer.
func startPart(meterName string, extraEnv []string, name string, told, answer any) (*part, *meter, error) {
	m := newMeter(meterName)
	p, err := openPart(m, extraEnv, name)
	if err == nil {
		if err = p.ask(told, answer); err == nil {
			return p, m, nil
		}
		p.stop()
	}
	m.close()
	return nil, nil, fmt.Errorf("start the %s: %w", name, err)
}

func openPart(m *meter, extraEnv []string, name string) (*part, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p, err := prepare(m, extraEnv, self, name)
	if err != nil {
		return nil, err
	}
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.begin(m); err != nil {
		return nil, err
	}
	return &part{process: p, tell: json.NewEncoder(stdin), hear: json.NewDecoder(stdout), pipes: []io.Closer{stdin, stdout}}, nil
}

// ask sends a question, where there is one, and reads the answer.
func (p *part) ask(question, answer any) error {
	if question != nil {
		if err := p.tell.Encode(question); err != nil {
			return err
		}
	}
	return p.hear.Decode(answer)
}

func (p *part) stop() {
	p.process.stop()
	for _, pipe := range p.pipes {
		pipe.Close()
	}
}

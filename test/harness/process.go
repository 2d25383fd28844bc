package harness

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Patience is how long anything that must happen may take before a test gives up on it: minutes of a machine busy with other
// tests are no failure, a program that hangs is one.
const Patience = 60 * time.Second

// Process is a program that a test has started. It ends with the test at the latest.
type Process struct {
	t    testing.TB
	name string
	cmd  *exec.Cmd
	// exited is closed when the process has been waited for and all that it wrote has been read.
	exited chan struct{}

	mu    sync.Mutex
	lines []string
	grown chan struct{} // closed, and made anew, with every line
	// expected says that somebody wants its end, or waits for it.
	expected bool
}

// Start runs one of the service's programs with this environment and nothing of the test's own but PATH.
func Start(t testing.TB, program string, env ...string) *Process {
	t.Helper()
	path, err := Binary(program)
	if err != nil {
		t.Fatal(err)
	}
	return StartCommand(t, program, exec.Command(path), env...)
}

// preload is what workers load unless a test says otherwise: the jails with all libraries take seconds of a processor to start, and few tests
// need them.
const preload = "JAIL_PRELOAD=numpy,pandas"

// StartCommand runs any program in the same way; what it writes to stdout and stderr goes to the test's log under name.
func StartCommand(t testing.TB, name string, cmd *exec.Cmd, env ...string) *Process {
	t.Helper()
	p := &Process{t: t, name: name, cmd: cmd, exited: make(chan struct{}), grown: make(chan struct{})}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", preload}, env...)
	cmd.Stdout, cmd.Stderr = write, write
	if cmd.Dir == "" {
		cmd.Dir = t.TempDir()
	}
	err = cmd.Start()
	write.Close()
	if err != nil {
		read.Close()
		t.Fatalf("start %s: %v", name, err)
	}
	go p.follow(read)
	t.Cleanup(p.end)
	return p
}

// follow owns the process: it reads what it writes and waits for its end.
func (p *Process) follow(output *os.File) {
	defer close(p.exited)
	defer output.Close()
	lines := bufio.NewScanner(output)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		fmt.Fprintf(p.t.Output(), "%s: %s\n", p.name, lines.Text())
		p.mu.Lock()
		p.lines = append(p.lines, lines.Text())
		close(p.grown)
		p.grown = make(chan struct{})
		p.mu.Unlock()
	}
	p.cmd.Wait()
	fmt.Fprintf(p.t.Output(), "%s: %s\n", p.name, p.cmd.ProcessState)
}

// end is the test's end: gracefully first, so that what the program does then is tested too.
func (p *Process) end() {
	p.mu.Lock()
	expected := p.expected
	p.mu.Unlock()
	if p.gone() && !expected {
		p.t.Errorf("%s ended by itself: %s", p.name, p.cmd.ProcessState)
	}
	p.Stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, line := range p.lines {
		if strings.Contains(line, "WARNING: DATA RACE") || strings.HasPrefix(line, "panic: ") {
			p.t.Errorf("%s: %s", p.name, line)
		}
	}
}

// PID is the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Exited is closed when the process is gone. Whoever asks expects that; otherwise the test fails when it ends by itself.
func (p *Process) Exited() <-chan struct{} {
	p.mark()
	return p.exited
}

// ExitCode is valid once Exited is closed; -1 stands for a signal.
func (p *Process) ExitCode() int { return p.cmd.ProcessState.ExitCode() }

// Signal sends a signal to this process alone.
func (p *Process) Signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !p.gone() {
		p.t.Errorf("%s to %s: %v", s, p.name, err)
	}
}

// Stop ends the process with SIGTERM and waits for it. One that hangs is killed, and the test has failed. May be called again.
func (p *Process) Stop() {
	p.t.Helper()
	if p.gone() {
		return
	}
	p.mark()
	p.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
		if code := p.ExitCode(); code != 0 {
			p.t.Errorf("%s ended with %s after SIGTERM", p.name, p.cmd.ProcessState)
		}
	case <-time.After(Patience):
		p.t.Errorf("%s is still there %s after SIGTERM", p.name, Patience)
		p.Kill()
	}
}

// Kill ends the process with SIGKILL and waits for it.
func (p *Process) Kill() {
	p.t.Helper()
	p.mark()
	p.Signal(syscall.SIGKILL)
	select {
	case <-p.exited:
	case <-time.After(Patience):
		p.t.Errorf("%s is still there %s after SIGKILL, or somebody else has its output", p.name, Patience)
	}
}

func (p *Process) mark() {
	p.mu.Lock()
	p.expected = true
	p.mu.Unlock()
}

func (p *Process) gone() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// Log is everything that the process has written so far.
func (p *Process) Log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines, "\n")
}

// Await waits for a line of the log that matches, and returns the match and its groups. The test ends when the process does,
// or when the line does not come.
func (p *Process) Await(pattern string) []string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	patience := time.After(Patience)
	seen := 0
	for {
		p.mu.Lock()
		lines, grown := p.lines[seen:], p.grown
		seen = len(p.lines)
		p.mu.Unlock()
		for _, line := range lines {
			if match := re.FindStringSubmatch(line); match != nil {
				return match
			}
		}
		select {
		case <-grown:
		case <-p.exited:
			p.mu.Lock()
			more := len(p.lines) > seen
			p.mu.Unlock()
			if !more {
				p.t.Fatalf("%s ended (%s) before it said %q", p.name, p.cmd.ProcessState, pattern)
			}
		case <-patience:
			p.t.Fatalf("%s has not said %q within %s", p.name, pattern, Patience)
		}
	}
}

package jail

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// answered is the exit status of a job that has given its answer: ANSWERED of walls.py.
const answered = 76

// endedWell reports whether a process has ended as one does whose answer counts.
func endedWell(status syscall.WaitStatus) bool {
	return status.Exited() && (status.ExitStatus() == 0 || status.ExitStatus() == answered)
}

// claimed is the outcome by the job's own word, where that counts.
func claimed(seen observation, sent []byte) (Outcome, bool) {
	if seen.cause != byItself || !endedWell(seen.status) {
		return Outcome{}, false
	}
	return parse(sent, seen.limits)
}

// failed says how a job ended that has given no answer, and where it was.
func failed(seen observation, sent []byte, j Job) *Failure {
	failure := ending(seen)
	locate(failure, sent, j)
	return failure
}

// exitCode is that of a program that has left by os._exit or the like, which is an end like any other.
func exitCode(seen observation, j Job) *int {
	if !j.Program || seen.cause != byItself || !seen.status.Exited() {
		return nil
	}
	code := seen.status.ExitStatus()
	return &code
}

// ending says in words how a job ended that did not send a result.
func ending(seen observation) *Failure {
	l := seen.limits
	switch seen.cause {
	case byTimeout:
		return &Failure{Code: Timeout, Message: fmt.Sprintf("Script execution failed: timeout: still running after %s", seconds(l.Timeout))}
	case byMemory:
		return outOfMemory(l)
	case byFlood:
		return &Failure{Code: OutputLimit, Message: fmt.Sprintf(
			"Script execution failed: output limit: more than %d MiB were written; %d bytes of each stream are kept", l.OutputBytes>>20*FloodFactor,
			l.OutputBytes)}
	case byDisk:
		return diskFull(l)
	case byCancel:
		return &Failure{Code: Crashed, Message: "Script execution failed: it was ended before it was done"}
	}
	signal := seen.status.Signal()
	switch {
	case !seen.status.Signaled():
		return &Failure{Code: Crashed, Message: fmt.Sprintf(
			"Script execution failed: the process ended itself with status %d before main() returned", seen.status.ExitStatus())}
	case signal == syscall.SIGKILL && seen.ranOut, seen.nearlyOut && slices.Contains(unchecked, signal):
		return outOfMemory(l)
	case signal == syscall.SIGXCPU || signal == syscall.SIGKILL && seen.cpu >= time.Duration(cpuSeconds(l.Timeout))*time.Second:
		return &Failure{Code: Timeout, CPU: true, Message: fmt.Sprintf("Script execution failed: timeout: all threads together used %s of CPU time",
			seconds(seen.cpu))}
	}
	return &Failure{Code: Crashed, Message: fmt.Sprintf("Script execution failed: the process was killed by %s", unix.SignalName(signal))}
}

// unchecked are the signals that end C code which has not looked whether it got the memory it asked for; and the kernel's own, where what
// bounds the worker's container is full before the job's limit is reached.
var unchecked = []syscall.Signal{syscall.SIGSEGV, syscall.SIGABRT, syscall.SIGBUS, syscall.SIGKILL}

// outOfMemory is one failure, whoever has noticed it: Python, the worker or the kernel.
func outOfMemory(l Limits) *Failure {
	return &Failure{Code: MemoryLimit, Type: "MemoryError",
		Message: fmt.Sprintf("Script execution failed: memory limit of %d MB exceeded", l.MemoryMB)}
}

// withoutMemory are words by which libraries say that they did not get memory, whatever their exception is called.
var withoutMemory = []string{"[Errno 12]", "Cannot allocate memory", "cannot allocate memory", "failed to map segment"}

// mention adds to a script's own words that memory may be what they are about, where the worker has seen that it may.
func (f *Failure) mention(m *memory, l Limits) {
	switch {
	case f.Code != Exception && f.Code != Crashed:
	case m.nearlyOut():
		f.Message += fmt.Sprintf(". Memory was nearly used up: %d MB of %d", m.peak>>20, l.MemoryMB)
	case slices.ContainsFunc(withoutMemory, func(words string) bool { return strings.Contains(f.Message, words) }):
		f.Message += fmt.Sprintf(". A request for memory was refused; the script may use %d MB", l.MemoryMB)
	}
}

// diskFull is for a job whose working directory has no bound of its own.
func diskFull(l Limits) *Failure {
	return &Failure{Code: OutputLimit, Message: fmt.Sprintf(
		"Script execution failed: output limit: more than %d MB or %d files in the working directory", l.DiskMB, l.diskNames())}
}

func seconds(d time.Duration) string {
	return strconv.FormatFloat(d.Round(10*time.Millisecond).Seconds(), 'f', -1, 64) + " s"
}

// stream is what came through r as text, cut at a character boundary.
func (r *reader) stream() Stream {
	text := r.bytes()
	cut := r.cut()
	if cut {
		text = wholeCharacters(text)
	}
	if !utf8.Valid(text) { // as it nearly always is, and quickly found to be
		text = bytes.ToValidUTF8(text, []byte("\uFFFD"))
	}
	return Stream{Text: string(text), Cut: cut}
}

// wholeCharacters drops a character that the cut went through, and nothing else.
func wholeCharacters(text []byte) []byte {
	for back := 1; back <= utf8.UTFMax-1 && back <= len(text); back++ {
		tail := text[len(text)-back:]
		if utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				return text[:len(text)-back]
			}
			return text
		}
	}
	return text
}

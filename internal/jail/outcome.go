package jail

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// header is the first line of what a child sends back, after the byte that says it is walled. It is the job's own word.
type header struct {
	Error *Failure `json:"error"`
	Files []File   `json:"files"`
}

// maxHeaderFiles bounds what a job may claim to have left behind.
const maxHeaderFiles = 64

// maxPath is the longest path that the kernel takes.
const maxPath = 4096

// judge turns what was seen of a job's end, and what it sent, into its outcome.
func judge(seen observation, sent []byte, script string) Outcome {
	if seen.cause == byItself && seen.status.Exited() && seen.status.ExitStatus() == 0 {
		if outcome, ok := parse(sent, seen.limits); ok {
			return outcome
		}
	}
	failure := ending(seen)
	locate(failure, sent, script)
	return Outcome{Failure: failure}
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
			"Script execution failed: output limit: more than %d MiB were written; %d bytes of each stream are kept", l.OutputBytes>>20*FloodFactor, l.OutputBytes)}
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
		return &Failure{Code: Timeout, Message: fmt.Sprintf("Script execution failed: timeout: all threads together used %s of CPU time", seconds(seen.cpu))}
	}
	return &Failure{Code: Crashed, Message: fmt.Sprintf("Script execution failed: the process was killed by %s", unix.SignalName(signal))}
}

// unchecked are the signals that end C code which has not looked whether it got the memory it asked for; and the kernel's own, where what
// bounds the worker's container is full before the job's limit is reached.
var unchecked = []syscall.Signal{syscall.SIGSEGV, syscall.SIGABRT, syscall.SIGBUS, syscall.SIGKILL}

// outOfMemory is one failure, whoever has noticed it: Python, the worker or the kernel.
func outOfMemory(l Limits) *Failure {
	return &Failure{Code: MemoryLimit, Type: "MemoryError", Message: fmt.Sprintf("Script execution failed: memory limit of %d MB exceeded", l.MemoryMB)}
}

// refused are words by which libraries say that they did not get memory, whatever their exception is called.
var refused = []string{"[Errno 12]", "Cannot allocate memory", "cannot allocate memory", "failed to map segment"}

// mention adds to a script's own words that memory may be what they are about, where the worker has seen that it may.
func (f *Failure) mention(m *memory, l Limits) {
	switch {
	case f.Code != Exception && f.Code != Crashed:
	case m.nearlyOut():
		f.Message += fmt.Sprintf(". Memory was nearly used up: %d MB of %d", m.peak>>20, l.MemoryMB)
	case slices.ContainsFunc(refused, func(words string) bool { return strings.Contains(f.Message, words) }):
		f.Message += fmt.Sprintf(". A request for memory was refused; the script may use %d MB", l.MemoryMB)
	}
}

// diskFull is for a job whose working directory has no bound of its own.
func diskFull(l Limits) *Failure {
	return &Failure{Code: OutputLimit, Message: fmt.Sprintf(
		"Script execution failed: output limit: more than %d MB or %d files in the working directory", l.DiskMB, l.DiskMB*filesPerMB)}
}

func seconds(d time.Duration) string {
	return strconv.FormatFloat(d.Round(10*time.Millisecond).Seconds(), 'f', -1, 64) + " s"
}

// parse reads a complete answer. ok is false when it is not one: a job can write to its own result what it likes.
func parse(sent []byte, l Limits) (Outcome, bool) {
	if len(sent) < 2 || sent[0] != 'w' {
		return Outcome{}, false
	}
	line, result, found := bytes.Cut(sent[1:], []byte("\n"))
	var h header
	if !found || json.Unmarshal(line, &h) != nil || len(h.Files) > maxHeaderFiles {
		return Outcome{}, false
	}
	files := slices.DeleteFunc(h.Files, func(f File) bool { return !plausible(f) })
	if h.Error != nil {
		if len(result) > 0 || !fromChild(h.Error.Code) {
			return Outcome{}, false
		}
		if h.Error.Code == MemoryLimit {
			h.Error.Message = outOfMemory(l).Message
		}
		return Outcome{Failure: h.Error, Files: files}, true
	}
	if len(result) > l.ResultBytes || !json.Valid(result) || !utf8.Valid(result) {
		return Outcome{}, false
	}
	if depth(result) > MaxResultDepth {
		return Outcome{Failure: &Failure{Code: InvalidResult, Message: fmt.Sprintf(
			"main() function must return valid JSON (got more than %d levels of nesting)", MaxResultDepth)}, Files: files}, true
	}
	return Outcome{Result: result, Files: files}, true
}

// plausible reports whether f can be a file of the working directory. Whoever unpacks the files that a job says it wrote must not
// be led out of the folder that he unpacks them in, on Windows neither, where a backslash divides folders.
func plausible(f File) bool {
	if !filepath.IsLocal(f.Path) || path.Clean(f.Path) != f.Path || f.Path == "." || strings.ContainsAny(f.Path, "\x00\\") || len(f.Path) > maxPath {
		return false
	}
	switch f.Encoding {
	case "utf-8":
		return f.Size == int64(len(f.Content))
	case "base64":
		content, err := base64.StdEncoding.DecodeString(f.Content)
		return err == nil && f.Size == int64(len(content))
	}
	return false
}

// fromChild reports whether a job may say this of itself. What only the worker can see is the worker's to say.
func fromChild(c Code) bool {
	switch c {
	case SyntaxError, NoMain, DangerousImport, InvalidResult, Exception, MemoryLimit, OutputLimit:
		return true
	}
	return false
}

// depth is how deep JSON nests. text is valid JSON.
func depth(text []byte) int {
	deepest, now, inString := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inString:
			if c == '\\' {
				i++
			} else if c == '"' {
				inString = false
			}
		case c == '"':
			inString = true
		case c == '{' || c == '[':
			now++
			deepest = max(deepest, now)
		case c == '}' || c == ']':
			now--
		}
	}
	return deepest
}

// frame is a line of the trace that Python's fault handler writes, innermost first.
var frame = regexp.MustCompile(`(?m)^  File "script\.py", line (\d+) in (.{1,200})$`)

// traceBytes of the end of what was sent are searched for a trace, which comes last and is short; the expression takes a second for
// all that a hostile job can send.
const traceBytes = 64 << 10

// locate adds where the script was, when the fault handler could still say so, and gives an abort its name: the C library ends
// an abort that a handler has seen with another signal.
func locate(f *Failure, sent []byte, script string) {
	frames := frame.FindAllSubmatch(sent[max(0, len(sent)-traceBytes):], 100)
	if len(frames) == 0 {
		return
	}
	lines := strings.Split(script, "\n")
	var trace strings.Builder
	trace.WriteString("Traceback (most recent call last):\n")
	for i := len(frames) - 1; i >= 0; i-- {
		number, err := strconv.Atoi(string(frames[i][1]))
		if err != nil || number < 1 || number > len(lines) {
			return
		}
		source := strings.TrimSpace(lines[number-1])
		fmt.Fprintf(&trace, "  File \"script.py\", line %d, in %s\n    %s\n", number, frames[i][2], source)
		f.Line, f.SourceLine = number, source
	}
	if f.Type != "" {
		trace.WriteString(f.Type + "\n")
	}
	f.Traceback = strings.ToValidUTF8(trace.String(), "\uFFFD")
	f.SourceLine = strings.ToValidUTF8(f.SourceLine, "\uFFFD")
	if f.Code != MemoryLimit { // whose message is the same, whoever has noticed it
		f.Message += fmt.Sprintf(" (line %d)", f.Line)
	}
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

package jail

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// What Python's fault handler writes: the frames of a thread, innermost first, behind a line that begins the thread's, with what the job
// has sent before it was sandboxed in front of the first.
var (
	stackFrame = regexp.MustCompile(`(?m)^  File "script\.py", line (\d+) in (.{1,200})$`)
	thread     = regexp.MustCompile(`(?m)^w?(?:Thread 0x[0-9a-f]{1,16}|Current thread 0x[0-9a-f]{1,16}|Stack) [^\n]{0,100}:$`)
	atEnd      = regexp.MustCompile(`(?m)^  File "<runner/ending\.py>", line \d+ in (join_threads|run_handlers|release_names)$`)
)

// stillThere is what a script that was done was still busy with, by the functions of ending.py.
var stillThere = map[string]string{
	"join_threads":  "a thread that is not a daemon still ran; join it, or give it an end",
	"run_handlers":  "a function registered with atexit still ran",
	"release_names": "a finaliser (__del__, or the end of a generator) still ran",
}

// traceBytes of the end of what was sent are searched for a trace, which comes last and is short; the expression takes a second for
// all that a hostile job can send.
const traceBytes = 64 << 10

// locate adds where the script was, when the fault handler could still say so, and gives an abort its name: the C library ends
// an abort that a handler has seen with another signal.
func locate(f *Failure, sent []byte, j Job) {
	said := sent[max(0, len(sent)-traceBytes):]
	if f.Code == Timeout {
		var after string
		if said, after = afterMain(said); after != "" {
			done := "main() had returned"
			if j.Program {
				done = "its last line had run"
			}
			f.Message += ": " + done + ", and " + after
		}
	}
	frames := stackFrame.FindAllSubmatch(said, 100)
	if len(frames) == 0 {
		return
	}
	lines := strings.Split(j.Script, "\n")
	var trace strings.Builder
	trace.WriteString("Traceback (most recent call last):\n")
	line, source := 0, ""
	for i := len(frames) - 1; i >= 0; i-- {
		number, err := strconv.Atoi(string(frames[i][1]))
		if err != nil || number < 1 || number > len(lines) {
			return
		}
		line, source = number, strings.TrimSpace(lines[number-1])
		fmt.Fprintf(&trace, "  File \"script.py\", line %d, in %s\n    %s\n", number, frames[i][2], source)
	}
	if f.Type != "" {
		trace.WriteString(f.Type + "\n")
	}
	f.Line, f.SourceLine = line, strings.ToValidUTF8(source, "\uFFFD")
	f.Traceback = strings.ToValidUTF8(trace.String(), "\uFFFD")
	if f.Code != MemoryLimit { // whose message is the same, whoever has noticed it
		f.Message += fmt.Sprintf(" (line %d)", f.Line)
	}
	f.bound()
}

// afterMain looks whether a program was at its end, and at what; the trace is then of the thread that it waited for, which is another one
// when it is threads, or of its own.
func afterMain(said []byte) (trace []byte, after string) {
	found := atEnd.FindSubmatch(said)
	if found == nil {
		return said, ""
	}
	after = stillThere[string(found[1])]
	starts := append(thread.FindAllIndex(said, 1000), []int{len(said)})
	for i, at := range starts[:len(starts)-1] {
		section := said[at[0]:starts[i+1][0]]
		own := atEnd.Match(section)
		if own != (string(found[1]) == "join_threads") && stackFrame.Match(section) {
			return section, after
		}
	}
	return nil, after
}

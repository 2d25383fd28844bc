package jail

import (
	"bytes"
	"encoding/json"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"safepy/internal/jsondepth"
)

var testLimits = Limits{Timeout: 2 * time.Second, MemoryMB: 64, OutputBytes: 1 << 20, ResultBytes: 1 << 10, Files: 4, FilesBytes: 1 << 10}

const (
	exited0   = syscall.WaitStatus(0)
	exited3   = syscall.WaitStatus(3 << 8)
	bySIGKILL = syscall.WaitStatus(syscall.SIGKILL)
	faulted   = syscall.WaitStatus(syscall.SIGSEGV)
	overTime  = syscall.WaitStatus(syscall.SIGXCPU)
)

func judge(seen observation, sent []byte, script string) Outcome {
	if o, ok := claimed(seen, sent); ok {
		return o
	}
	return Outcome{Failure: failed(seen, sent, Job{Script: script})}
}

// A program's exit code is its own word where it has answered, and the kernel's where it has left by itself without.
func TestExitCode(t *testing.T) {
	for _, c := range []struct {
		name string
		seen observation
		job  Job
		want int
	}{
		{"left", observation{status: exited3}, Job{Program: true}, 3},
		{"left, no program", observation{status: exited3}, Job{}, -1},
		{"killed by a signal", observation{status: bySIGKILL}, Job{Program: true}, -1},
		{"ended for its time", observation{status: exited3, cause: byTimeout}, Job{Program: true}, -1},
	} {
		if got := exitCode(c.seen, c.job); (got == nil) != (c.want < 0) || got != nil && *got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	for sent, want := range map[string]int{"0": 0, "255": 255, "256": -1, "-1": -1, "null": -1} {
		o, ok := parse([]byte(`w{"exit_code":`+sent+"}\nnull"), testLimits)
		if !ok || (o.ExitCode == nil) != (want < 0) || o.ExitCode != nil && *o.ExitCode != want {
			t.Errorf("%s: %+v", sent, o)
		}
	}
}

// judge believes a job about itself only when it ended by itself, and well.
func TestJudge(t *testing.T) {
	const trace = "w" + "Fatal Python error: Segmentation fault\n\nCurrent thread 0x00007f (most recent call first):\n" +
		"  File \"script.py\", line 2 in inner\n  File \"script.py\", line 4 in main\n  File \"<runner/script.py>\", line 30 in run\n"
	const script = "def inner():\n    crash()\ndef main():\n    inner()\n"
	for _, c := range []struct {
		name    string
		seen    observation
		sent    string
		result  string
		code    Code
		message string // its beginning
		line    int
	}{
		{name: "a result", sent: "w{}\n[1]", result: "[1]"},
		{name: "an error of its own", sent: `w{"error":{"code":"exception","message":"E","line":3}}` + "\n", code: Exception, message: "E",
			line: 3},
		{name: "memory in the worker's words", sent: `w{"error":{"code":"memory_limit","message":"forged"}}` + "\n", code: MemoryLimit,
			message: "Script execution failed: memory limit of 64 MB exceeded"},
		{name: "a result, and gone like one", seen: observation{status: answered << 8}, sent: "w{}\n[1]", result: "[1]"},
		{name: "nothing", sent: "w", code: Crashed, message: "Script execution failed: the process ended itself with status 0"},
		{name: "another status", seen: observation{status: exited3}, sent: "w{}\n1", code: Crashed,
			message: "Script execution failed: the process ended itself with status 3"},
		{name: "a result, then a signal", seen: observation{status: faulted}, sent: "w{}\n1", code: Crashed,
			message: "Script execution failed: the process was killed by SIGSEGV"},
		{name: "a result, but over its time", seen: observation{cause: byTimeout, status: exited0}, sent: "w{}\n1", code: Timeout,
			message: "Script execution failed: timeout: still running after 2 s"},
		{name: "a result, but too much output", seen: observation{cause: byFlood, status: exited0}, sent: "w{}\n1", code: OutputLimit,
			message: "Script execution failed: output limit: more than 64 MiB"},
		{name: "canceled", seen: observation{cause: byCancel, status: bySIGKILL}, sent: "w", code: Crashed,
			message: "Script execution failed: it was ended before it was done"},
		{name: "killed by itself", seen: observation{status: bySIGKILL, cpu: time.Second}, sent: "w", code: Crashed,
			message: "Script execution failed: the process was killed by SIGKILL"},
		{name: "killed for its CPU time", seen: observation{status: bySIGKILL, cpu: 3 * time.Second}, sent: "w", code: Timeout,
			message: "Script execution failed: timeout: all threads together used 3 s of CPU time"},
		{name: "told of its CPU time", seen: observation{status: overTime, cpu: 2500 * time.Millisecond}, sent: "w", code: Timeout,
			message: "Script execution failed: timeout: all threads together used 2.5 s of CPU time"},
		{name: "killed for its memory", seen: observation{status: bySIGKILL, ranOut: true}, sent: "w", code: MemoryLimit,
			message: "Script execution failed: memory limit of 64 MB exceeded"},
		{name: "a crash with its place", seen: observation{status: faulted}, sent: trace, code: Crashed,
			message: "Script execution failed: the process was killed by SIGSEGV (line 2)", line: 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.seen.limits = testLimits
			o := judge(c.seen, []byte(c.sent), script)
			if string(o.Result) != c.result {
				t.Errorf("result %q, want %q", o.Result, c.result)
			}
			if c.code == "" {
				if o.Failure != nil {
					t.Fatalf("failed: %+v", o.Failure)
				}
				return
			}
			if o.Failure == nil || o.Failure.Code != c.code || !strings.HasPrefix(o.Failure.Message, c.message) || o.Failure.Line != c.line {
				t.Errorf("got %+v, want %s: %s (line %d)", o.Failure, c.code, c.message, c.line)
			}
		})
	}
	o := judge(observation{status: faulted, limits: testLimits}, []byte(trace), script)
	want := "Traceback (most recent call last):\n  File \"script.py\", line 4, in main\n    inner()\n" +
		"  File \"script.py\", line 2, in inner\n    crash()\n"
	if o.Failure.Traceback != want || o.Failure.SourceLine != "crash()" {
		t.Errorf("got %q and %q, want %q", o.Failure.Traceback, o.Failure.SourceLine, want)
	}
}

// A program that was at its end is said to have been, with the line of the thread or handler that it waited for.
func TestLocateAtEnd(t *testing.T) {
	const ending = "  File \"<runner/ending.py>\", line 64 in "
	const script = "def forever():\n    wait()\ndef main():\n    start(forever)\n"
	for name, c := range map[string]struct {
		sent, message string
		line          int
	}{
		"a thread": {"wThread 0x00007f5bd910d6c0 (most recent call first):\n  File \"script.py\", line 2 in forever\n\n" +
			"Current thread 0x00007f5bd93cc040 (most recent call first):\n  File \"/usr/lib/python3.11/threading.py\", line 9 in _shutdown\n" +
			ending + "join_threads\n", "and a thread that is not a daemon still ran; join it, or give it an end (line 2)", 2},
		"a handler": {"wStack (most recent call first):\n  File \"script.py\", line 2 in forever\n" + ending + "run_handlers\n",
			"and a function registered with atexit still ran (line 2)", 2},
		"a finaliser": {"wStack (most recent call first):\n  File \"script.py\", line 2 in forever\n" + ending + "release_names\n",
			"and a finaliser (__del__, or the end of a generator) still ran (line 2)", 2},
		"nobody of the script's": {"wThread 0x01 (most recent call first):\n  File \"/usr/lib/x.py\", line 1 in run\n\n" +
			"Current thread 0x02 (most recent call first):\n  File \"script.py\", line 1 in early\n" + ending + "join_threads\n", "give it an end",
			0},
	} {
		o := judge(observation{cause: byTimeout, status: bySIGKILL, limits: testLimits}, []byte(c.sent), script)
		f := o.Failure
		if f.Code != Timeout || !strings.Contains(f.Message, "2 s: main() had returned, ") || !strings.HasSuffix(f.Message, c.message) ||
			f.Line != c.line {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func TestLocateForged(t *testing.T) {
	for _, sent := range []string{
		"w  File \"script.py\", line 1 in main", // not at a line's beginning
		"w\n  File \"script.py\", line 99 in main\n",
		"w\n  File \"script.py\", line 0 in main\n",
		"w\n  File \"script.py\", line 99999999999999999999 in main\n",
		"w\n  File \"other.py\", line 1 in main\n",
	} {
		f := &Failure{Message: "m"}
		if locate(f, []byte(sent), Job{Script: "x = 1\n"}); f.Line != 0 || f.Message != "m" || f.Traceback != "" {
			t.Errorf("%q: %+v", sent, f)
		}
	}
	f := &Failure{}
	if locate(f, []byte("w\n  File \"script.py\", line 1 in \xff\n"), Job{Script: "\xff"}); f.Line != 1 || !utf8.ValidString(f.Traceback) ||
		!utf8.ValidString(f.SourceLine) {
		t.Errorf("%+v", f)
	}
}

func TestParseRefuses(t *testing.T) {
	for name, sent := range map[string]string{
		"nothing":                    "",
		"walled alone":               "w",
		"not walled":                 "!no",
		"no line":                    "w{}",
		"no header":                  "w\n1",
		"a header that is no object": "w[]\n1",
		"no result":                  "w{}\n",
		"no JSON":                    "w{}\n[1",
		"two values":                 "w{}\n1 2",
		"NaN":                        "w{}\nNaN",
		"no UTF-8":                   "w{}\n\"\xff\"",
		"too long":                   "w{}\n\"" + strings.Repeat("x", 1<<10) + "\"",
		"error and result":           `w{"error":{"code":"exception"}}` + "\n1",
		"a code of the worker's":     `w{"error":{"code":"timeout"}}` + "\n",
		"a crash of its own saying":  `w{"error":{"code":"crashed"}}` + "\n",
		"no code at all":             `w{"error":{"message":"m"}}` + "\n",
		"too many files":             `w{"files":[` + strings.Repeat(`{},`, maxHeaderFiles) + `{}]}` + "\n1",
	} {
		if o, ok := parse([]byte(sent), testLimits); ok {
			t.Errorf("%s: taken as %+v", name, o)
		}
	}
}

func TestParseFiles(t *testing.T) {
	taken := func(file string) bool {
		o, ok := parse([]byte(`w{"files":[`+file+`]}`+"\n1"), testLimits)
		if !ok {
			t.Errorf("%s: no outcome", file)
		}
		return len(o.Files) == 1
	}
	for _, good := range []string{
		`{"path":"a","size":1,"content":"x","encoding":"utf-8"}`,
		`{"path":"d/é .txt","size":2,"content":"é","encoding":"utf-8"}`,
		`{"path":"b","size":2,"content":"AP8=","encoding":"base64"}`,
		`{"path":"...","size":0,"content":"","encoding":"utf-8"}`,
	} {
		if !taken(good) {
			t.Errorf("not taken: %s", good)
		}
	}
	for _, bad := range []string{
		`{"path":"../a","size":1,"content":"x","encoding":"utf-8"}`, `{"path":"/a","size":1,"content":"x","encoding":"utf-8"}`,
		`{"path":"","size":1,"content":"x","encoding":"utf-8"}`, `{"path":".","size":1,"content":"x","encoding":"utf-8"}`,
		`{"path":"a//b","size":1,"content":"x","encoding":"utf-8"}`, `{"path":"a/../b","size":1,"content":"x","encoding":"utf-8"}`,
		`{"path":"a\u0000","size":1,"content":"x","encoding":"utf-8"}`, `{"path":"a","size":-1,"content":"","encoding":"utf-8"}`,
		`{"path":"a","size":2,"content":"x","encoding":"utf-8"}`, `{"path":"a","size":1,"content":"?","encoding":"base64"}`,
		`{"path":"a","size":1,"content":"x","encoding":"gzip"}`, `{"path":"a","size":1,"content":"x"}`,
	} {
		if taken(bad) {
			t.Errorf("taken: %s", bad)
		}
	}
}

// What a job says is bounded part by part, and so is what it takes to read it.
func TestParseBounds(t *testing.T) {
	limits := Limits{Timeout: time.Second, MemoryMB: 64, ResultBytes: 1 << 20, Files: 3, FilesBytes: 100}
	long := strings.Repeat("é", 200<<10)
	o, ok := parse([]byte(`w{"error":{"code":"exception","message":"`+long+`"}}`+"\n"), limits)
	if !ok || len(o.Failure.Message) > maxMessage || !utf8.ValidString(o.Failure.Message) {
		t.Errorf("a long message: %v %d", ok, len(o.Failure.Message))
	}
	o, ok = parse([]byte(`w{"error":{"code":"exception","message":"m","type":"`+long[:1000]+
		`\n\u001b[1m","line":-4,"source_line":"a\nb`+long[:3000]+`","traceback":"`+
		long[:200<<10]+`"}}`+"\n"), limits)
	if f := o.Failure; !ok || len(f.Type) > maxType || strings.ContainsAny(f.Type, "\n\x1b[") || f.Line != 0 || f.SourceLine != "a" ||
		len(f.Traceback) > maxTraceback {
		t.Errorf("long texts: %v %+v", ok, f)
	}
	for name, sent := range map[string]string{
		"bytes that are no UTF-8": `w{"error":{"code":"exception","message":"` + strings.Repeat("\xff", 1000) + `"}}` + "\n",
		"a header too long":       `w{"x":"` + strings.Repeat("x", limits.maxHeader()) + `"}` + "\n1",
		"millions of files":       `w{"files":[` + strings.Repeat("{},", maxHeaderFiles) + `{}]}` + "\n1",
		"files that are none":     `w{"files":{}}` + "\n1",
	} {
		if o, ok := parse([]byte(sent), limits); ok {
			t.Errorf("%s: taken as %.200v", name, o)
		}
	}
	whole := func(path string) string { return `{"path":"` + path + `","size":1,"content":"x","encoding":"utf-8"}` }
	for name, c := range map[string]struct {
		files, want string
		unnamed     int
	}{
		"more than may come back":   {whole("a") + "," + whole("b") + "," + whole("c") + "," + whole("d"), "a b c", 1},
		"one beside its own folder": {whole("x") + "," + whole("x/y") + "," + whole("z"), "x z", 1},
		"twice the same":            {whole("x") + "," + whole("x"), "x", 1},
		"more bytes than may": {whole("a") + `,{"path":"b","size":100,"content":"` + strings.Repeat("x", 100) +
			`","encoding":"utf-8"},` + whole("c"), "a c", 1},
		"named only":          {`{"path":"a","size":1000,"reason":"too_large"},{"path":"b%0A","size":0,"reason":"name"}`, "a b%0A", 0},
		"named and there":     {`{"path":"a","size":1,"content":"x","encoding":"utf-8","reason":"too_large"}`, "", 1},
		"a reason of its own": {`{"path":"a","size":1,"reason":"because"}`, "", 1},
		"names that are none": {whole("a\\nb") + "," + whole("\\u001b[1m") + "," + whole("a\\u0000") + "," +
			whole(strings.Repeat("ab/", 300)) + "," + whole("a//b"), "", 5},
	} {
		o, ok := parse([]byte(`w{"files":[`+c.files+`]}`+"\n1"), limits)
		var got []string
		for _, f := range o.Files {
			got = append(got, f.Path)
		}
		if !ok || strings.Join(got, " ") != c.want || o.UnnamedFiles != c.unnamed {
			t.Errorf("%s: %v %q and %d more", name, ok, got, o.UnnamedFiles)
		}
	}
}

func TestParseDepth(t *testing.T) {
	nested := func(n int) []byte { return []byte("w{}\n" + strings.Repeat("[", n) + strings.Repeat("]", n)) }
	limits := testLimits
	limits.ResultBytes = 1 << 20
	if o, ok := parse(nested(MaxResultDepth), limits); !ok || o.Failure != nil {
		t.Errorf("%d levels: %v %+v", MaxResultDepth, ok, o.Failure)
	}
	if o, ok := parse(nested(MaxResultDepth+1), limits); !ok || o.Failure == nil || o.Failure.Code != InvalidResult || o.Result != nil {
		t.Errorf("%d levels: %v %+v", MaxResultDepth+1, ok, o.Failure)
	}
}

func TestWholeCharacters(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "a": "a", "é": "é", "a\xc3": "a", "a\xe2\x98": "a", "a\xe2": "a", "a\xf0\x9f\x98": "a", "a\xf0\x9f": "a", "a\xf0": "a", "😀": "😀",
		// What was never a character stays, for ToValidUTF8 to see.
		"a\xff": "a\xff", "a\x80": "a\x80", "\x80\x80\x80\x80": "\x80\x80\x80\x80", "\xc3\x28": "\xc3\x28",
	} {
		if got := string(wholeCharacters([]byte(text))); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestSeconds(t *testing.T) {
	for d, want := range map[time.Duration]string{10 * time.Second: "10 s", 300 * time.Millisecond: "0.3 s",
		1234567 * time.Microsecond: "1.23 s", time.Millisecond: "0 s"} {
		if got := seconds(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
}

// Whatever a job sends, what is taken of it is sound.
func FuzzJudge(f *testing.F) {
	for _, seed := range []string{
		"", "w", "w{}\n1", "!no", `w{"error":{"code":"exception","message":"m","line":1}}` + "\n", `w{"files":[{"path":"../x"}]}` + "\n{}",
		"w\n  File \"script.py\", line 1 in f\n", "w{}\n" + strings.Repeat("[", 2000), "w{}\n\"\xed\xa0\x80\"",
		`w{"error":null,"files":null}` + "\n\"\\ud800\"",
	} {
		f.Add([]byte(seed), uint16(0))
		f.Add([]byte(seed), uint16(syscall.SIGSEGV))
		f.Add([]byte(seed), uint16(0x80))
	}
	f.Fuzz(func(t *testing.T, sent []byte, status uint16) {
		const core = 0x80
		if status&0x7f == 0 {
			status &^= core // the kernel sets it beside a signal only
		}
		o := judge(observation{status: syscall.WaitStatus(status), limits: testLimits}, sent, "x = 1\n")
		if (o.Failure == nil) == (o.Result == nil) {
			t.Fatalf("neither or both: %+v", o)
		}
		if o.Result != nil && (!json.Valid(o.Result) || len(o.Result) > testLimits.ResultBytes || jsondepth.Of(o.Result) > MaxResultDepth ||
			status != 0 && status != answered<<8) {
			t.Fatalf("taken: %q", o.Result)
		}
		if o.Failure != nil && (o.Failure.Code == "" || !utf8.ValidString(o.Failure.Message+o.Failure.Traceback+o.Failure.SourceLine)) {
			t.Fatalf("failure: %+v", o.Failure)
		}
		for _, file := range o.Files {
			if !file.plausible() {
				t.Fatalf("file: %+v", file)
			}
		}
	})
}

func FuzzWholeCharacters(f *testing.F) {
	f.Add("é😀", uint(3))
	f.Add("\xff\x80abc", uint(2))
	f.Fuzz(func(t *testing.T, text string, at uint) {
		cut := []byte(text)[:at%uint(len(text)+1)]
		got := wholeCharacters(cut)
		if !bytes.HasPrefix(cut, got) || len(cut)-len(got) >= utf8.UTFMax {
			t.Fatalf("%q became %q", cut, got)
		}
		if utf8.ValidString(text) && !utf8.Valid(got) {
			t.Fatalf("%q became %q", cut, got)
		}
	})
}

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// event is one line of `go test -json` (see `go doc test2json`), as far as it matters here.
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
}

// test names one test of one package.
type test struct{ pkg, name string }

type skip struct {
	test
	reason string
}

type report struct {
	out  io.Writer
	note string

	running        map[test]*strings.Builder // what each test has written since it began
	packages       []string                  // the closing line of each package
	skips          []skip
	passed, failed int
	broken         bool // something failed that is not a test: a build, a package
}

func newReport(out io.Writer, note string) *report {
	return &report{out: out, note: note, running: map[test]*strings.Builder{}}
}

func (r *report) add(line []byte) {
	var e event
	if json.Unmarshal(line, &e) != nil {
		// Not an event: go itself has something to say.
		r.out.Write(line)
		return
	}
	t := test{e.Package, e.Test}
	switch {
	case e.Action == "build-output":
		io.WriteString(r.out, e.Output)
	case e.Action == "build-fail":
		r.broken = true
	case e.Test == "":
		r.addPackage(e)
	case e.Action == "output":
		r.written(t).WriteString(e.Output)
	case e.Action == "pass":
		r.passed++
		delete(r.running, t)
	case e.Action == "skip":
		r.skips = append(r.skips, skip{t, reason(r.written(t).String())})
		delete(r.running, t)
	case e.Action == "fail":
		r.failed++
		r.print(t)
	}
}

func (r *report) addPackage(e event) {
	switch e.Action {
	case "output":
		if e.Output == "PASS\n" || e.Output == "FAIL\n" {
			return
		}
		io.WriteString(r.out, e.Output)
		if closing.MatchString(e.Output) {
			r.packages = append(r.packages, e.Output)
		}
	case "fail":
		r.broken = true
		// A panic or a timeout ends a package with tests that never ended themselves, and theirs is the output that tells.
		for t := range r.running {
			if t.pkg == e.Package {
				r.print(t)
			}
		}
	}
}

// closing is go test's own line on a package that has tests.
var closing = regexp.MustCompile(`^(ok|FAIL)\s`)

func (r *report) written(t test) *strings.Builder {
	if r.running[t] == nil {
		r.running[t] = &strings.Builder{}
	}
	return r.running[t]
}

func (r *report) print(t test) {
	io.WriteString(r.out, r.written(t).String())
	delete(r.running, t)
}

// reason is what a test gave to t.Skip: its output without go test's own lines and without the place in the source.
func reason(output string) string {
	var said []string
	for _, line := range strings.Split(output, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "=== ") || strings.HasPrefix(line, "--- ") {
			continue
		}
		said = append(said, place.ReplaceAllString(line, ""))
	}
	if len(said) == 0 {
		return "no reason given"
	}
	return strings.Join(said, " ")
}

var place = regexp.MustCompile(`^\S+\.go:\d+: `)

// close prints the summary and says whether everything passed.
func (r *report) close() bool {
	if len(r.skips) > 0 || r.note != "" {
		r.printNotRun()
	}
	verdict := "PASS"
	ok := r.failed == 0 && !r.broken && len(r.packages) > 0
	if !ok {
		verdict = "FAIL"
	}
	fmt.Fprintf(r.out, "%s: %d passed, %d failed, %d skipped\n", verdict, r.passed, r.failed, len(r.skips))
	return ok
}

// printNotRun repeats the packages after its list, so that their lines are the last that a log shows.
func (r *report) printNotRun() {
	fmt.Fprint(r.out, "\nNot run on this machine:\n")
	if r.note != "" {
		fmt.Fprintf(r.out, "  %s\n", r.note)
	}
	for _, s := range r.skips {
		fmt.Fprintf(r.out, "  %s %s: %s\n", s.pkg, s.name, s.reason)
	}
	fmt.Fprintln(r.out)
	for _, line := range r.packages {
		io.WriteString(r.out, line)
	}
}

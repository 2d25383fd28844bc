// Command testreport reads `go test -json` and prints what a person wants of it: the output of the tests that failed, a line for
// each package as it ends, and at the close which tests were skipped and why, the packages once more, and the totals.
//
// go test itself says nothing of a skipped test unless it is told to say everything of every test.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	note := flag.String("note", "", "something else that was not run, and why")
	flag.Parse()
	ok, err := run(os.Stdin, os.Stdout, *note)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// run reports on in until it ends, and says whether everything passed.
func run(in io.Reader, out io.Writer, note string) (bool, error) {
	r := newReport(out, note)
	lines := bufio.NewReader(in) // not a Scanner: a test's line of output can be of any length
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			r.add(line)
		}
		if err == io.EOF {
			return r.close(), nil
		}
		if err != nil {
			return false, fmt.Errorf("read test events: %w", err)
		}
	}
}

package main

import (
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	for _, c := range []struct {
		name, events, note string
		ok                 bool
		want, not          []string
	}{
		{
			name: "passing, one skipped",
			events: `{"Action":"start","Package":"p"}
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"chatter\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestB","Output":"=== RUN   TestB\n"}
{"Action":"output","Package":"p","Test":"TestB","Output":"    b_test.go:7: no nsjail on PATH\n"}
{"Action":"output","Package":"p","Test":"TestB","Output":"--- SKIP: TestB (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestB"}
{"Action":"output","Package":"p","Output":"PASS\n"}
{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}
{"Action":"pass","Package":"p"}
`,
			ok:   true,
			want: []string{"  p TestB: no nsjail on PATH\n", "ok  \tp\t0.1s\nPASS: 1 passed, 0 failed, 1 skipped\n"},
			not:  []string{"chatter"},
		},
		{
			name: "failing",
			events: `{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:3: boom\n"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.1s\n"}
{"Action":"fail","Package":"p"}
`,
			want: []string{"a_test.go:3: boom\n", "FAIL\tp\t0.1s\nFAIL: 0 passed, 1 failed, 0 skipped\n"},
		},
		{
			name: "panic: the test that ran has no end of its own",
			events: `{"Action":"output","Package":"p","Test":"TestA","Output":"panic: no\n"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.1s\n"}
{"Action":"fail","Package":"p"}
`,
			want: []string{"panic: no\n", "FAIL: 0 passed"},
		},
		{
			name: "does not compile",
			events: `{"ImportPath":"p","Action":"build-output","Output":"p/a.go:1:1: nonsense\n"}
{"ImportPath":"p","Action":"build-fail"}
`,
			want: []string{"p/a.go:1:1: nonsense\n", "FAIL: 0 passed"},
		},
		{name: "nothing at all", want: []string{"FAIL: 0 passed"}},
		{
			name:   "go's own words, and a note",
			events: "go: cannot find main module\n",
			note:   "the race detector: no C compiler",
			want:   []string{"go: cannot find main module\n", "  the race detector: no C compiler\n"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			ok, err := run(strings.NewReader(c.events), &out, c.note)
			if err != nil {
				t.Fatal(err)
			}
			if ok != c.ok {
				t.Errorf("run() = %v, want %v", ok, c.ok)
			}
			for _, want := range c.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("no %q in\n%s", want, out.String())
				}
			}
			for _, not := range c.not {
				if strings.Contains(out.String(), not) {
					t.Errorf("%q in\n%s", not, out.String())
				}
			}
		})
	}
}

package jail

import (
	"fmt"
	"testing"
)

// What honest scripts do to their process on the way, and must still get their answer.
func TestIdioms(t *testing.T) {
	eachPool(t, Config{Slots: 1, Preload: []string{"numpy"}}, func(t *testing.T, p *Pool) {
		for _, c := range []struct{ name, script, stdout string }{
			{"a daemon closes what it does not know", "import posix\ndef main():\n    posix.closerange(3, 4)\n    return 1", ""},
			{"stdout anew", "import io, sys\nsys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding='utf-8')\ndef main():\n    print('kept')\n" +
				"    return 1", "kept\n"},
			{"stdout is no stream", "import sys\nsys.stdout = sys.stderr = None\ndef main(): return 1", ""},
		} {
			for range 10 { // which of two things comes first is a matter of luck
				o, err := p.Run(t.Context(), Job{Script: c.script})
				if err != nil || o.Failure != nil || string(o.Result) != "1" || o.Stdout.Text != c.stdout {
					t.Fatalf("%s: %v, %+v, result %s, stdout %q", c.name, err, o.Failure, o.Result, o.Stdout.Text)
				}
			}
		}
		// As an archive does that has its folder's time in it.
		o, err := p.Run(t.Context(), Job{Script: "import posix\ndef main():\n    open('new', 'w').write('n')\n    posix.utime('.', (0, 0))\n" +
			"    return 1"})
		if err != nil || o.Failure != nil || len(o.Files) != 1 {
			t.Errorf("%v, %+v, files %v", err, o.Failure, o.Files)
		}
	})
}

// TestMemoryMargin: a job gets the memory that it is promised and no more, in whichever server it runs.
func TestMemoryMargin(t *testing.T) {
	eachPool(t, Config{Slots: 1, Preload: []string{"numpy", "pandas"}}, func(t *testing.T, p *Pool) {
		for _, head := range []string{"", "# pandas\n"} {
			for megabytes, want := range map[int]string{60: "1", 90: ""} {
				script := fmt.Sprintf("%sdef main():\n    x = bytearray(%d << 20)\n    return 1\n", head, megabytes)
				o, err := p.Run(t.Context(), Job{MemoryMB: 64, Script: script})
				if err != nil || string(o.Result) != want || want == "" && o.Failure.Code != MemoryLimit {
					t.Errorf("%q: %v, %s, %+v", script, err, o.Result, o.Failure)
				}
			}
		}
	})
}

// TestStackIsNear: what looks at the stack, as pandas does for each warning, finds all frames below a script at once. Python's own look
// through all modules is some thousand calls for each of them.
func TestStackIsNear(t *testing.T) {
	eachPool(t, Config{Slots: 1, Preload: []string{"numpy"}}, func(t *testing.T, p *Pool) {
		for _, head := range []string{"", "import numpy\n"} {
			o, err := p.Run(t.Context(), Job{Script: head + "import inspect, sys\ndef main():\n    inspect.stack()\n    calls = 0\n" +
				"    def count(frame, event, what):\n        nonlocal calls\n        calls += 1\n" +
				"    sys.setprofile(count)\n    stack = inspect.stack()\n    sys.setprofile(None)\n" +
				"    return calls < 500 * len(stack) and [stack[0].function, inspect.getmodule(stack[0].frame).__name__]\n"})
			if err != nil || o.Failure != nil || string(o.Result) != `["main","__main__"]` {
				t.Errorf("%q: %v, %+v, %s", head, err, o.Failure, o.Result)
			}
		}
	})
}

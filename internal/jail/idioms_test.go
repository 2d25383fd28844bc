package jail

import (
	"encoding/json"
	"strconv"
	"testing"
)

// What honest scripts do to their process on the way, and must still get their answer.
func TestIdioms(t *testing.T) {
	eachPool(t, Config{Slots: 1, Preload: []string{"numpy"}}, func(t *testing.T, p *Pool) {
		for _, c := range []struct{ name, script, stdout string }{
			{"a daemon closes what it does not know", "import posix\ndef main():\n    posix.closerange(3, 4)\n    return 1", ""},
			{"stdout anew", "import io, sys\nsys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding='utf-8')\ndef main():\n    print('kept')\n    return 1", "kept\n"},
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
		o, err := p.Run(t.Context(), Job{Script: "import posix\ndef main():\n    open('new', 'w').write('n')\n    posix.utime('.', (0, 0))\n    return 1"})
		if err != nil || o.Failure != nil || len(o.Files) != 1 {
			t.Errorf("%v, %+v, files %v", err, o.Failure, o.Files)
		}
	})
}

// TestMemoryMargin: a job gets the memory that it is promised and no more, in whichever server it runs.
func TestMemoryMargin(t *testing.T) {
	eachPool(t, Config{Slots: 1, Preload: []string{"numpy", "pandas"}}, func(t *testing.T, p *Pool) {
		for _, head := range []string{"", "# pandas\n"} {
			o, err := p.Run(t.Context(), Job{MemoryMB: 64, Script: head + `
def main():
    low, high = 0, 256
    while high - low > 1:
        middle = (low + high) // 2
        try:
            bytearray(middle << 20)
            low = middle
        except MemoryError:
            high = middle
    return low
`})
			var most int
			if err != nil || o.Failure != nil || json.Unmarshal(o.Result, &most) != nil || most < 60 || most > 66 {
				t.Errorf("%s: %v, %+v: of 64 MB a script got %s", strconv.Quote(head), err, o.Failure, o.Result)
			}
		}
	})
}

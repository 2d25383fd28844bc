package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

const exits = `
import sys

def main():
    print("main", sys.argv, input())

if __name__ == "__main__":
    main()
    sys.exit(int(sys.argv[1]))
`

// testProgramMode sends scripts as programs, by both routes.
func testProgramMode(t *testing.T, c *client) {
	null := -1 // in exit
	for _, p := range []struct {
		name, script         string
		args                 string
		stdin                string
		status, exit         int
		code, stdout, stderr string // code empty for completed; stderr a part of it
		line                 int
	}{
		{name: "exit 0", script: exits, args: `["0", "é b"]`, stdin: "in", status: 200, stdout: "main ['script.py', '0', 'é b'] in\n"},
		{name: "exit 3", script: exits, args: `["3"]`, stdin: "in", status: 200, exit: 3, stdout: "main ['script.py', '3'] in\n"},
		{name: "exit -1 and 256 and True", script: "import os\nprint(1)\nraise SystemExit(-1)", status: 200, exit: 255, stdout: "1\n"},
		{name: "exit 256", script: "raise SystemExit(256)", status: 200},
		{name: "exit with words", script: "import sys\nsys.exit('bad input')", status: 200, exit: 1, stderr: "bad input\n"},
		{name: "to the last line", script: "print(__name__, [x for x in range(3)])", status: 200, stdout: "__main__ [0, 1, 2]\n"},
		{name: "os._exit", script: "import os\nprint('so far', flush=True)\nos._exit(9)", status: 200, exit: 9, stdout: "so far\n"},
		{name: "no main called", script: "def main():\n    print('never')", status: 200},
		{name: "the end", script: "import atexit\natexit.register(print, 'bye')\nprint('work')", status: 200, stdout: "work\nbye\n"},
		{name: "exception", script: "def f(d):\n    return d['x']\n\nf({})\n", status: 500, exit: 1, code: "exception", line: 2,
			stderr: "  File \"script.py\", line 2, in f\n    return d['x']\n"},
		{name: "exception with a hook of its own", script: "import sys\nsys.excepthook = lambda t, e, tb: print('died of', e, tb.tb_lineno, file=sys.stderr)\n1 / 0",
			status: 500, exit: 1, code: "exception", line: 3, stderr: "died of division by zero 3\n"},
		{name: "exception in a hook", script: "import sys\nsys.excepthook = lambda *_: 1 / 0\n{}[0]",
			status: 500, exit: 1, code: "exception", line: 3, stderr: "KeyError: 0\n"},
		{name: "exception and no stderr", script: "import sys\nsys.stderr.close()\n{}[0]", status: 500, exit: 1, code: "exception", line: 3},
		{name: "syntax", script: "print('never')\nx = (1\n", status: 400, exit: 1, code: "syntax_error", line: 2, stderr: "SyntaxError: '(' was never closed"},
		{name: "killed", script: "import os\nprint('so far', flush=True)\nos.kill(os.getpid(), 9)", status: 500, exit: null, code: "crashed", stdout: "so far\n"},
		{name: "a thread without end", script: "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()",
			status: 500, exit: null, code: "timeout"},
	} {
		t.Run(p.name, func(t *testing.T) {
			r := request{Mode: "program", Script: p.script, Args: json.RawMessage(p.args), Stdin: p.stdin}
			if p.code == "timeout" {
				r.Limits = &limits{TimeoutMS: 1500}
			}
			a := c.execute(t, r)
			var got struct {
				Result   json.RawMessage
				Code     string
				Stdout   string
				Line     int
				ExitCode *int `json:"exit_code"`
			}
			if err := json.Unmarshal(a.body, &got); err != nil {
				t.Fatalf("%v in %s", err, a.body)
			}
			same := func(code *int) bool { return code == nil && p.exit == null || code != nil && *code == p.exit }
			if a.status != p.status || got.Code != p.code || got.Stdout != p.stdout || !same(got.ExitCode) || p.line != 0 && got.Line != p.line {
				t.Errorf("%d %s", a.status, a.body)
			}
			if a.status == http.StatusOK && string(got.Result) != "null" {
				t.Errorf("result %s", got.Result)
			}
			j := c.job(t, a)
			want := "completed"
			if p.code != "" {
				want = "failed"
			}
			if j.Status != want || !same(j.ExitCode) || j.Stdout != p.stdout || !strings.Contains(j.Stderr, p.stderr) {
				t.Errorf("as a job: %+v", j)
			}
		})
	}
	t.Run("a file that is left", func(t *testing.T) {
		j := c.job(t, c.execute(t, request{Mode: "program", Script: "import os\nopen('out.txt', 'w').write('kept')\nos._exit(4)"}))
		if j.ExitCode == nil || *j.ExitCode != 4 {
			t.Errorf("%+v", j)
		}
		j = c.job(t, c.execute(t, request{Mode: "program", Script: "f = open('out.txt', 'w')\nf.write('kept')\nraise SystemExit(4)"}))
		if len(j.Files) != 1 || j.Files[0].Content != "kept" || *j.ExitCode != 4 {
			t.Errorf("%+v", j)
		}
	})
	t.Run("function", func(t *testing.T) {
		a := c.execute(t, request{Mode: "function", Script: "def main():\n    return 1"})
		if result, _ := a.succeeded(t); result != "1" {
			t.Errorf("%s", a.body)
		}
		if j := c.job(t, a); j.ExitCode != nil {
			t.Errorf("exit code %d", *j.ExitCode)
		}
	})
}

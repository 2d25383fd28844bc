package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// caseRequest is a job with cases as a client writes it, case is one of them as it comes back.
type caseRequest struct {
	request
	Cases         []map[string]any `json:"cases"`
	StopOnFailure bool             `json:"stop_on_failure,omitempty"`
}

type caseJob struct {
	job
	Error *failure `json:"error"`
	Cases []struct {
		Name     string          `json:"name"`
		Status   string          `json:"status"`
		Passed   *bool           `json:"passed"`
		Mismatch string          `json:"mismatch"`
		Result   json.RawMessage `json:"result"`
		ExitCode *int            `json:"exit_code"`
		Stdout   string          `json:"stdout"`
		Stderr   string          `json:"stderr"`
		Error    *struct {
			Code  string `json:"code"`
			Line  int    `json:"line"`
			Limit string `json:"limit"`
		} `json:"error"`
		Files []struct{ Path, Content string } `json:"files"`
		Usage struct {
			WallMS float64 `json:"wall_ms"`
		} `json:"usage"`
	} `json:"cases"`
	Summary struct{ Total, Passed, Failed, Skipped int } `json:"summary"`
}

func (c *client) runCases(t *testing.T, r caseRequest) (j caseJob) {
	t.Helper()
	body, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	a := c.do(t, http.MethodPost, "/jobs", "application/json", body)
	if a.status != http.StatusAccepted {
		t.Fatalf("%d %s", a.status, a.body)
	}
	id := a.header.Get("X-Job-Id")
	for j.Status != "completed" && j.Status != "failed" {
		a = c.do(t, http.MethodGet, "/jobs/"+id+"?wait=30", "", nil)
		if a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.body)
		}
		j = caseJob{}
		if err := json.Unmarshal(a.body, &j); err != nil {
			t.Fatalf("%v in %s", err, a.body)
		}
	}
	return j
}

// testCases judges programs.
func testCases(t *testing.T, c *client) {
	t.Run("function", func(t *testing.T) {
		j := c.runCases(t, caseRequest{request: request{Script: `
import helper

def main(n=0):
    print("n is", n)
    with open("left.txt", "a") as f:
        f.write(f"{n}\n")
    if n == 3:
        raise ValueError("three")
    return helper.double(n)
`, Files: []file{{Path: "helper.py", Content: "def double(n):\n    return 2 * n\n"}}},
			Cases: []map[string]any{
				{"name": "right", "args": []int{1}, "expect": map[string]any{"result": 2, "stdout": "n is 1"}},
				{"name": "wrong", "args": []int{2}, "expect": map[string]any{"result": 5}},
				{"name": "raises", "args": []int{3}, "expect": map[string]any{"result": 6}},
				{"name": "bad arguments", "args": map[string]any{"m": 1}},
				{"name": "file of its own", "files": []map[string]any{{"path": "data/in.txt", "content": "x"}}, "args": []float64{0.15}, "expect": map[string]any{"result": 0.30000001, "tolerance": 1e-6}},
			}})
		if j.Status != "completed" || j.Summary != (struct{ Total, Passed, Failed, Skipped int }{5, 2, 3, 0}) {
			t.Fatalf("%+v", j)
		}
		if w := j.Cases[1]; *w.Passed || w.Mismatch != "result is 4, expected 5" || w.Status != "completed" || w.Stdout != "n is 2\n" {
			t.Errorf("%+v", w)
		}
		if w := j.Cases[2]; w.Status != "failed" || w.Error.Code != "exception" || w.Error.Line != 9 || *w.Passed {
			t.Errorf("%+v", w)
		}
		if w := j.Cases[3]; w.Status != "failed" || w.Error.Code != "no_main" || w.Passed != nil {
			t.Errorf("%+v", w)
		}
		// Each has a folder of its own, in which nothing of another's lies.
		for i, content := range map[int]string{0: "1\n", 1: "2\n", 2: "3\n", 4: "0.15\n"} {
			if f := j.Cases[i].Files; len(f) != 1 || f[0].Path != "left.txt" || f[0].Content != content {
				t.Errorf("case %d left %+v", i, f)
			}
		}
	})
	t.Run("program", func(t *testing.T) {
		j := c.runCases(t, caseRequest{request: request{Mode: "program", Stdin: "1 2\n", Script: "import sys\na, b = map(int, input().split())\nprint(a + b)\nsys.exit(a)\n"},
			Cases: []map[string]any{
				{"expect": map[string]any{"stdout": "3", "exit_code": 1}},
				{"stdin": "0 5", "expect": map[string]any{"stdout": "5\n", "exact": true}},
				{"stdin": "0 5", "expect": map[string]any{"stdout": "5", "exact": true}},
				{"stdin": "", "expect": map[string]any{"exit_code": 1, "stdout": ""}},
			}})
		var passed []bool
		for _, w := range j.Cases {
			passed = append(passed, *w.Passed)
		}
		if fmt.Sprint(passed) != "[true true false true]" || j.Cases[3].Error.Code != "exception" || !strings.Contains(j.Cases[3].Stderr, "EOFError") {
			t.Errorf("%v: %+v", passed, j)
		}
	})
	t.Run("a case that will not end, and stop", func(t *testing.T) {
		j := c.runCases(t, caseRequest{request: request{Script: "def main(n):\n    print(n, flush=True)\n    while n:\n        pass\n", Limits: &limits{TimeoutMS: 300}},
			Cases: []map[string]any{{"args": []int{0}}, {"args": []int{1}}, {"args": []int{0}}}, StopOnFailure: true})
		if w := j.Cases[1]; j.Status != "completed" || w.Status != "failed" || w.Error.Code != "timeout" || w.Error.Limit != "wall" || w.Stdout != "1\n" || w.Error.Line < 3 {
			t.Errorf("%+v", j)
		}
		if j.Cases[2].Status != "skipped" || j.Summary.Skipped != 1 {
			t.Errorf("%+v", j)
		}
	})
	t.Run("hostile beside honest", func(t *testing.T) {
		script := `
def main(kind):
    import builtins, os as system, signal
    if kind == "kill":
        system.kill(0, signal.SIGKILL)
    if kind == "crash":
        system.abort()
    if kind == "exit":
        system._exit(0)
    if kind == "memory":
        return len(bytearray(1 << 33))
    if kind == "forge":
        for fd in range(3, 20):
            try:
                system.write(fd, b'w{}\n"forged"')
            except OSError:
                pass
        system._exit(76)
    if kind == "flood":
        while True:
            print("x" * (1 << 20))
    if kind == "leave":
        open("left", "w").write("x")
        builtins.print = None
    return [kind, system.listdir()]
`
		script = strings.Replace(script, "import builtins, os as system, signal", "import builtins, posix as system, signal", 1)
		var cases []map[string]any
		for _, kind := range []string{"kill", "crash", "exit", "memory", "forge", "flood", "leave"} {
			cases = append(cases, map[string]any{"args": []string{kind}},
				map[string]any{"args": []string{"honest"}, "expect": map[string]any{"result": []any{"honest", []any{}}}})
		}
		j := c.runCases(t, caseRequest{request: request{Script: script}, Cases: cases})
		for i, w := range j.Cases {
			if i%2 == 1 && (w.Passed == nil || !*w.Passed) {
				t.Errorf("the honest case behind %v: %+v", cases[i-1]["args"], w)
			}
		}
	})
	t.Run("only as a job", func(t *testing.T) {
		a := c.do(t, http.MethodPost, "/execute", "application/json", []byte(`{"script": "def main(): pass", "cases": [{}]}`))
		if a.status != http.StatusBadRequest || !strings.Contains(string(a.body), "POST /jobs") {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
}

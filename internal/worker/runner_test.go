package worker

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"safepy/internal/jail"
	"safepy/internal/jobs"
)

func TestJobOf(t *testing.T) {
	got := jobOf(&jobs.Request{
		Script: "def main(): pass", Args: json.RawMessage(`[1]`), Stdin: "in",
		Files:  []jobs.File{{Path: "a/b.txt", Content: "eA==", Encoding: "base64"}},
		Limits: jobs.Limits{TimeoutMS: 1500, MemoryMB: 7},
	})
	want := jail.Job{
		Script: "def main(): pass", Args: json.RawMessage(`[1]`), Stdin: "in",
		Files:   []jail.File{{Path: "a/b.txt", Content: "eA==", Encoding: "base64"}},
		Timeout: 1500 * time.Millisecond, MemoryMB: 7,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestOutcomeOf(t *testing.T) {
	got := outcomeOf(jail.Outcome{
		Result: json.RawMessage(`{"a":1}`),
		Stdout: jail.Stream{Text: "out", Cut: true}, Stderr: jail.Stream{Text: "err"},
		Files: []jail.File{{Path: "plot.png", Content: "AA==", Encoding: "base64", Size: 1}, {Path: "what", Encoding: "utf-8"}},
		Usage: jail.Usage{Setup: 500 * time.Microsecond, Wall: 2 * time.Millisecond, CPU: 1250 * time.Microsecond, MemoryPeakBytes: 4096},
	})
	if string(got.Result) != `{"a":1}` || got.Stdout != "out" || got.Stderr != "err" || got.Error != nil {
		t.Errorf("%+v", got)
	}
	if got.Truncated != (jobs.Truncated{Stdout: true}) {
		t.Errorf("truncated %+v", got.Truncated)
	}
	if got.Usage != (jobs.Usage{SetupMS: 0.5, WallMS: 2, CPUMS: 1.25, MemoryPeakBytes: 4096}) {
		t.Errorf("usage %+v", got.Usage)
	}
	if f := got.Files; len(f) != 2 || f[0].MIME != "image/png" || f[0].Size != 1 || *f[0].Content != "AA==" ||
		f[1].MIME != "application/octet-stream" ||
		f[1].Content == nil || *f[1].Content != "" {
		t.Errorf("files %+v", f)
	}
}

// What is not handed back is named with its reason, and the job says that there is such a file.
func TestOutcomeOfFilesLeftOut(t *testing.T) {
	for reason, want := range map[jail.Reason]jobs.Reason{
		jail.TooLarge: jobs.TooLarge, jail.TooMany: jobs.TooMany, jail.Unreadable: jobs.Unreadable, jail.Link: jobs.Link,
		jail.Special: jobs.Special,
		jail.OddName: jobs.OddName,
	} {
		got := outcomeOf(jail.Outcome{Files: []jail.File{{Path: "big.csv", Size: 9, Reason: reason}}, UnnamedFiles: 0})
		if f := got.Files; len(f) != 1 || f[0].Content != nil || f[0].Reason != want || f[0].Size != 9 || !got.Truncated.Files ||
			got.Truncated.UnnamedFiles != 0 {
			t.Errorf("%s: %+v %+v", reason, f, got.Truncated)
		}
	}
	if got := outcomeOf(jail.Outcome{UnnamedFiles: 3}); got.Truncated != (jobs.Truncated{Files: true, UnnamedFiles: 3}) {
		t.Errorf("%+v", got.Truncated)
	}
}

// Each way in which a script can fail keeps its code and what belongs to it on the way from the jail to the client.
func TestFailuresKeepTheirCode(t *testing.T) {
	for from, want := range map[jail.Code]jobs.Code{
		jail.SyntaxError: jobs.SyntaxError, jail.NoMain: jobs.NoMain, jail.DangerousImport: jobs.DangerousImport,
		jail.InvalidResult: jobs.InvalidResult, jail.Exception: jobs.Exception, jail.Timeout: jobs.Timeout,
		jail.MemoryLimit: jobs.MemoryLimit, jail.OutputLimit: jobs.OutputLimit, jail.Crashed: jobs.Crashed,
	} {
		got := outcomeOf(jail.Outcome{Failure: &jail.Failure{Code: from, Message: "m", Type: "T", Line: 3, SourceLine: "s",
			Traceback: "t"}}).Error
		limit := jobs.TimeLimit("")
		if want == jobs.Timeout {
			limit = jobs.LimitWall
		}
		if want := (jobs.Error{Code: want, Limit: limit, Message: "m", Type: "T", Line: 3, SourceLine: "s", Traceback: "t"}); got == nil || *got != want {
			t.Errorf("%s: %+v", from, got)
		}
	}
}

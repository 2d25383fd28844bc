// Package jobs is what a job is and how it crosses Redis: submitted by an API process, carried by asynq, taken by any
// worker, its outcome brought back to whoever waits. It knows nothing of HTTP and nothing of how a script is run.
package jobs

import (
	"encoding/json"
	"time"
)

// Request is what a client asks for: one script and what it is given.
type Request struct {
	Script string `json:"script"`
	// Mode: empty means Function.
	Mode Mode `json:"mode,omitempty"`
	// Args is a JSON object (keyword arguments of main) or array (positional); empty means none. A program has an array of strings.
	Args   json.RawMessage `json:"args,omitempty"`
	Stdin  string          `json:"stdin,omitempty"`
	Files  []File          `json:"files,omitempty"`
	Limits Limits          `json:"limits,omitzero"`
	// Priority is high, default or low; empty means default.
	Priority Priority `json:"priority,omitempty"`
	// Cases, if any, are run one after the other, each in a process of its own. StopOnFailure skips those behind the first that fails.
	Cases         []Case `json:"cases,omitempty"`
	StopOnFailure bool   `json:"stop_on_failure,omitempty"`
	// Began, if set, is told by the Runner where the run's output can be read while it lasts. A run may begin twice, anew.
	Began func(Output) `json:"-"`
	// IsCase says that this is one of another request's. A case is judged by whether it ends in time, so that a busy machine must not count.
	IsCase bool `json:"-"`
}

// Mode says what kind of script it is. The list is closed.
type Mode string

const (
	// Function: its main() is called, whose value is the result.
	Function Mode = "function"
	// Program: it runs as Python runs a file, and has an exit code.
	Program Mode = "program"
)

// Limits narrow the server's own for one job; zero means the server's.
type Limits struct {
	TimeoutMS int `json:"timeout_ms,omitempty"`
	MemoryMB  int `json:"memory_mb,omitempty"`
}

// File is a file put into the job's working directory.
type File struct {
	// Path is relative to the working directory, with forward slashes.
	Path    string `json:"path"`
	Content string `json:"content"`
	// Encoding of Content: utf-8 (also when empty) or base64.
	Encoding string `json:"encoding,omitempty"`
}

// ResultFile is a file that a job made or changed in its working directory.
type ResultFile struct {
	Path string `json:"path"`
	Size int64  `json:"size"`
	MIME string `json:"mime"`
	// Content is nil where the file is not handed back, and Reason then says why.
	Content *string `json:"content"`
	// Encoding of Content: utf-8 or base64.
	Encoding string `json:"encoding,omitempty"`
	Reason   Reason `json:"reason,omitempty"`
}

// Reason is why a file is named and not handed back. The list is closed.
type Reason string

const (
	TooLarge   Reason = "too_large"
	TooMany    Reason = "too_many"
	Unreadable Reason = "unreadable"
	Link       Reason = "link"
	Special    Reason = "special"
	OddName    Reason = "name"
)

// Priority orders jobs that wait; none starves another for ever.
type Priority string

const (
	High    Priority = "high"
	Default Priority = "default"
	Low     Priority = "low"
)

// Status is where a job stands. The list is closed.
type Status string

const (
	Queued    Status = "queued"
	Running   Status = "running"
	Completed Status = "completed"
	Failed    Status = "failed"
	Canceled  Status = "canceled"
)

// Final reports whether a job in this state will never change again.
func (s Status) Final() bool { return s == Completed || s == Failed || s == Canceled }

func (s Status) known() bool { return s == Queued || s == Running || s.Final() }

// Code says why a job failed. The list is closed.
type Code string

const (
	// The script is wrong.
	SyntaxError     Code = "syntax_error"
	NoMain          Code = "no_main"
	DangerousImport Code = "dangerous_import"
	InvalidResult   Code = "invalid_result"
	// The script was fine to start and ended badly.
	Exception   Code = "exception"
	Timeout     Code = "timeout"
	MemoryLimit Code = "memory_limit"
	OutputLimit Code = "output_limit"
	Crashed     Code = "crashed"
	// The service failed.
	Internal Code = "internal"
)

// ScriptIsWrong reports whether the code means that the script could not have worked, whatever its input.
func (c Code) ScriptIsWrong() bool {
	switch c {
	case SyntaxError, NoMain, DangerousImport, InvalidResult:
		return true
	}
	return false
}

// TimeLimit is one of the two limits of a job's time. The list is closed.
type TimeLimit string

const (
	LimitWall TimeLimit = "wall"
	LimitCPU  TimeLimit = "cpu"
)

// Error is a failure as the user sees it.
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
	// Limit says which time a timeout is about.
	Limit TimeLimit `json:"limit,omitempty"`
	// Type is the Python exception's class, where there is one.
	Type string `json:"type,omitempty"`
	// Line counts from 1 in the user's script.
	Line       int    `json:"line,omitempty"`
	SourceLine string `json:"source_line,omitempty"`
	// Traceback holds the user's frames only.
	Traceback string `json:"traceback,omitempty"`
}

// Truncated says which streams were longer than what is kept of them, and whether there are files and outputs that are not handed back.
type Truncated struct {
	Stdout bool `json:"stdout"`
	Stderr bool `json:"stderr"`
	Files  bool `json:"files"`
	// Outputs says that something which the script displayed is not among the outputs.
	Outputs bool `json:"outputs"`
	// UnnamedFiles is how many of those are not even named, at least.
	UnnamedFiles int `json:"unnamed_files,omitempty"`
	// DroppedOutputs is how many outputs are left out, at least.
	DroppedOutputs int `json:"dropped_outputs,omitempty"`
}

// Usage is what a job cost, as the worker observed it.
type Usage struct {
	QueueMS         float64 `json:"queue_ms"`
	SetupMS         float64 `json:"setup_ms"`
	WallMS          float64 `json:"wall_ms"`
	CPUMS           float64 `json:"cpu_ms"`
	MemoryPeakBytes int64   `json:"memory_peak_bytes"`
}

// Outcome is how one run of a script ended: a result, or an Error, and what it wrote until then.
type Outcome struct {
	// Result is valid JSON, or empty when Error is set.
	Result json.RawMessage `json:"result,omitempty"`
	// ExitCode is a program's, where it ended by itself.
	ExitCode *int   `json:"exit_code,omitempty"`
	Stdout   string `json:"stdout"`
	Stderr   string `json:"stderr"`
	// Outputs is a JSON array of Jupyter's MIME bundles, what the script displayed in its order; empty means none.
	Outputs   json.RawMessage `json:"outputs,omitempty"`
	Truncated Truncated       `json:"truncated"`
	Files     []ResultFile    `json:"files,omitempty"`
	Error     *Error          `json:"error,omitempty"`
	Usage     Usage           `json:"usage"`
	// Cases are there where the request has some.
	Cases []CaseOutcome `json:"cases,omitempty"`
}

// Job is the document a client gets for an id.
type Job struct {
	ID         string          `json:"id"`
	Status     Status          `json:"status"`
	Result     json.RawMessage `json:"result"`
	Stdout     string          `json:"stdout"`
	Stderr     string          `json:"stderr"`
	Outputs    json.RawMessage `json:"outputs"`
	ExitCode   *int            `json:"exit_code"`
	Error      *Error          `json:"error"`
	Truncated  Truncated       `json:"truncated"`
	Files      []ResultFile    `json:"files"`
	Usage      *Usage          `json:"usage"`
	Cases      []CaseOutcome   `json:"cases,omitempty"`
	Summary    *Summary        `json:"summary,omitempty"`
	Attempts   int             `json:"attempts"`
	CreatedAt  time.Time       `json:"created_at"`
	StartedAt  *time.Time      `json:"started_at"`
	FinishedAt *time.Time      `json:"finished_at"`
	// ResultChecked says that Result is known to be valid JSON without spaces: it need not be looked through again. Not part of
	// the document.
	ResultChecked bool `json:"-"`
	// Client names the key that submitted the job, as in SubmitOptions; nobody else may see it. Not part of the document.
	Client string `json:"-"`
}

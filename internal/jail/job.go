// Package jail runs one untrusted Python script and reports what happened. It keeps warm jails (nsjail, or bubblewrap), each with
// a fork server in it, and gives every script a process and namespaces that nothing else has used or will use. It knows nothing
// of queues or HTTP.
package jail

import (
	"encoding/json"
	"time"
)

// Job is one script and what it is given.
type Job struct {
	Script string
	// Program runs the script as Python runs a file, to its last line or sys.exit; otherwise its main() is called.
	Program bool
	// Args is a JSON object (keyword arguments of main), an array (positional) or empty; of a program, an array of strings (sys.argv).
	Args  json.RawMessage
	Stdin string
	// Files are put into the working directory before the script is read.
	Files []File
	// Timeout and MemoryMB narrow the pool's own limits; zero means the pool's.
	Timeout  time.Duration
	MemoryMB int
	// Patient leaves out of its time, by the clock, how long the job waited for a processor, as far as mostDelay: on a busy machine it has as
	// much as on a quiet one.
	Patient bool
	// Began, if set, is told where the job's output can be read while it runs. It must not wait for anything.
	Began func(*Output)
	// allowanceMB is the pool's to set: importAllowanceMB where the script reaches libraries that its jail has not loaded.
	allowanceMB int
}

// File is a regular file in the job's working directory.
type File struct {
	// Path is relative, with forward slashes.
	Path    string `json:"path"`
	Content string `json:"content"`
	// Encoding of Content: utf-8 or base64.
	Encoding string `json:"encoding,omitempty"`
	// Size in bytes; of files that a job left behind only.
	Size int64 `json:"size,omitempty"`
	// Reason says, of files that a job left behind, why this one is only named and its content not handed back.
	Reason Reason `json:"reason,omitempty"`
}

// Reason is why a file is not handed back. The list is closed.
type Reason string

const (
	// TooLarge: with it the files would be more than Limits.FilesBytes together. TooMany: it would be one more than Limits.Files.
	TooLarge Reason = "too_large"
	TooMany  Reason = "too_many"
	// Unreadable: its permissions, or those of the folder, do not allow it.
	Unreadable Reason = "unreadable"
	// Link: a symbolic link, which is not followed. Special: a pipe, a socket or a device.
	Link    Reason = "link"
	Special Reason = "special"
	// OddName: no request could have a file with this path, which is given with what is wrong in it as %XX, and cut.
	OddName Reason = "name"
)

// Code says how a script failed. The list is closed.
type Code string

const (
	SyntaxError     Code = "syntax_error"
	NoMain          Code = "no_main"
	DangerousImport Code = "dangerous_import"
	InvalidResult   Code = "invalid_result"
	Exception       Code = "exception"
	Timeout         Code = "timeout"
	MemoryLimit     Code = "memory_limit"
	OutputLimit     Code = "output_limit"
	Crashed         Code = "crashed"
)

// Failure is how a script failed, in words for its author.
type Failure struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
	// CPU says, of a Timeout, that it was CPU time that was up; else it was the clock's.
	CPU bool `json:"-"`
	// Type is the exception's class, where there is one.
	Type string `json:"type"`
	// Line counts from 1 in the script; 0 means unknown.
	Line       int    `json:"line"`
	SourceLine string `json:"source_line"`
	Traceback  string `json:"traceback"`
}

// Stream is what a script wrote to stdout or stderr.
type Stream struct {
	Text string
	// Cut says that there was more than the limit, which was thrown away.
	Cut bool
}

// Outcome is what happened to one script: a Result, or a Failure, and what it wrote until then.
type Outcome struct {
	// Result is valid JSON of bounded size and depth; empty when Failure is set.
	Result  json.RawMessage
	Failure *Failure
	// ExitCode is how a program ended, where it has ended by itself; one with a Failure may have one, too.
	ExitCode       *int
	Stdout, Stderr Stream
	// Files are those that the script made or changed, by path; UnnamedFiles is how many more there are at least.
	Files        []File
	UnnamedFiles int
	// Outputs is what the script displayed, a JSON array of Jupyter's MIME bundles, empty for none; DroppedOutputs is how many more there
	// were at least.
	Outputs        json.RawMessage
	DroppedOutputs int
	Usage          Usage
}

// Usage is what the worker saw a job take.
type Usage struct {
	// Setup is the wait for a sandboxed process, Wall the time from then to its end.
	Setup, Wall time.Duration
	// CPU is user and system time of all of the job's threads.
	CPU time.Duration
	// MemoryPeakBytes is the largest resident size beyond what the process had before it saw the script.
	MemoryPeakBytes int64
	Making          Making
}

// Making is what it took to make the sandboxed process that ran a job, nearly always before the job came.
type Making struct {
	// Fork is from the order to fork to the server's word that it has, where the job is not the jail's own first process.
	Fork time.Duration
	// Namespaces is what a set of fresh namespaces took; 0 before the first job of a jail, and where it gets none.
	Namespaces time.Duration
	// Walls is from the fork, or the order where there is none, to the last wall.
	Walls time.Duration
}

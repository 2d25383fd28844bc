// Package worker is where jobs and jails meet: it runs the queue's requests in the pool's jails and serves until it is told to
// stop. cmd/worker and cmd/standalone both are little more than this.
package worker

import (
	"context"
	"encoding/json"
	"mime"
	"path"
	"time"

	"safepy/internal/jail"
	"safepy/internal/jobs"
)

// Runner runs the queue's requests in a pool of jails.
type Runner struct {
	pool *jail.Pool
	seen *metrics
}

var _ jobs.Runner = (*Runner)(nil)

// NewRunner does not take over the pool: whoever opened it closes it.
func NewRunner(pool *jail.Pool) *Runner { return &Runner{pool: pool} }

// Run runs one script. The error means that the pool could not.
func (r *Runner) Run(ctx context.Context, request *jobs.Request) (*jobs.Outcome, error) {
	o, err := r.pool.Run(ctx, jobOf(request))
	if err != nil {
		r.seen.failed()
		return nil, err
	}
	outcome := outcomeOf(o)
	r.seen.ran(outcome)
	return outcome, nil
}

func jobOf(r *jobs.Request) jail.Job {
	j := jail.Job{
		Script: r.Script, Program: r.Mode == jobs.Program, Patient: r.IsCase, Args: r.Args, Stdin: r.Stdin,
		Timeout: time.Duration(r.Limits.TimeoutMS) * time.Millisecond, MemoryMB: r.Limits.MemoryMB,
	}
	if r.Began != nil {
		j.Began = func(o *jail.Output) { r.Began(o) }
	}
	for _, f := range r.Files {
		j.Files = append(j.Files, jail.File{Path: f.Path, Content: f.Content, Encoding: f.Encoding})
	}
	return j
}

func outcomeOf(o jail.Outcome) *jobs.Outcome {
	out := &jobs.Outcome{
		Result: json.RawMessage(o.Result), ExitCode: o.ExitCode, Stdout: o.Stdout.Text, Stderr: o.Stderr.Text,
		Outputs: o.Outputs,
		Truncated: jobs.Truncated{
			Stdout: o.Stdout.Cut, Stderr: o.Stderr.Cut, Files: o.UnnamedFiles > 0, UnnamedFiles: o.UnnamedFiles,
			Outputs: o.DroppedOutputs > 0, DroppedOutputs: o.DroppedOutputs,
		},
		Usage: jobs.Usage{
			SetupMS: milliseconds(o.Usage.Setup), WallMS: milliseconds(o.Usage.Wall), CPUMS: milliseconds(o.Usage.CPU),
			MemoryPeakBytes: o.Usage.MemoryPeakBytes,
		},
	}
	for _, f := range o.Files {
		file := jobs.ResultFile{Path: f.Path, Size: f.Size, MIME: mimeOf(f.Path), Encoding: f.Encoding, Reason: jobs.Reason(f.Reason)}
		if f.Reason == "" {
			file.Content = &f.Content
		} else {
			out.Truncated.Files = true
		}
		out.Files = append(out.Files, file)
	}
	if f := o.Failure; f != nil {
		out.Error = &jobs.Error{
			Code: jobs.Code(f.Code), Message: f.Message, Type: f.Type, Line: f.Line, SourceLine: f.SourceLine, Traceback: f.Traceback,
		}
		if f.Code == jail.Timeout {
			out.Error.Limit = jobs.LimitWall
			if f.CPU {
				out.Error.Limit = jobs.LimitCPU
			}
		}
	}
	return out
}

// mimeOf goes by the name alone: the content is hostile, and sniffing it helps nobody.
func mimeOf(name string) string {
	if kind := mime.TypeByExtension(path.Ext(name)); kind != "" {
		return kind
	}
	return "application/octet-stream"
}

func milliseconds(d time.Duration) float64 {
	return float64(d.Microseconds()) / 1e3
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"safepy/internal/config"
	"safepy/internal/jobs"
	"safepy/internal/worker"
)

// failure is a jobs.Error whose message stands beside it, under the name that the API gives it.
type failure struct {
	Code       jobs.Code      `json:"code"`
	Message    string         `json:"-"`
	Limit      jobs.TimeLimit `json:"limit,omitempty"`
	Type       string         `json:"type,omitempty"`
	Line       int            `json:"line,omitempty"`
	SourceLine string         `json:"source_line,omitempty"`
	Traceback  string         `json:"traceback,omitempty"`
}

// execute runs one script in a jail of its own, with no queue. words are what stands behind exec.
func execute(ctx context.Context, cfg config.Worker, words []string, stdin io.Reader, stdout, stderr io.Writer) error {
	request, err := requestOf(words, stdin, stderr)
	if err != nil {
		return err
	}
	cfg.JailMaxJobs = 1000
	if cfg.LogLevel == "info" {
		cfg.LogLevel = "warn" // the answer is what is wanted
	}
	log := cfg.Logger(stderr)
	pool, err := worker.OpenPoolFor(ctx, cfg, request.Script, log)
	if err != nil {
		return err
	}
	defer pool.Close()
	outcome, err := worker.NewRunner(pool).Run(ctx, request)
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(stdout)
	encoder.SetEscapeHTML(false)
	if outcome.Error == nil {
		err := encoder.Encode(struct {
			Result   json.RawMessage `json:"result"`
			Stdout   string          `json:"stdout"`
			ExitCode *int            `json:"exit_code,omitempty"`
			Outputs  json.RawMessage `json:"outputs,omitempty"`
		}{outcome.Result, outcome.Stdout, outcome.ExitCode, outcome.Outputs})
		if err == nil && outcome.ExitCode != nil && *outcome.ExitCode != 0 {
			return errScriptFailed
		}
		return err
	}
	err = encoder.Encode(struct {
		Message string `json:"error"`
		*failure
		Stdout string `json:"stdout"`
		Stderr string `json:"stderr"`
		// As above.
		ExitCode *int            `json:"exit_code,omitempty"`
		Outputs  json.RawMessage `json:"outputs,omitempty"`
	}{outcome.Error.Message, (*failure)(outcome.Error), outcome.Stdout, outcome.Stderr, outcome.ExitCode, outcome.Outputs})
	if err != nil {
		return err
	}
	return errScriptFailed
}

// requestOf is what exec's words ask for: [-program] FILE [ARG...].
func requestOf(words []string, stdin io.Reader, stderr io.Writer) (*jobs.Request, error) {
	flags := flag.NewFlagSet("exec", flag.ContinueOnError)
	flags.SetOutput(stderr)
	program := flags.Bool("program", false, "run the script as Python runs a file")
	if err := flags.Parse(words); err != nil {
		return nil, err
	}
	if flags.NArg() == 0 || flags.NArg() > 1 && !*program {
		return nil, errors.New("exec wants the script's FILE, or - for standard input; arguments behind it are for exec -program")
	}
	script, err := readScript(flags.Arg(0), stdin)
	if err != nil {
		return nil, err
	}
	r := &jobs.Request{Script: string(script)}
	if *program {
		r.Mode = jobs.Program
		if r.Args, err = json.Marshal(flags.Args()[1:]); err != nil {
			return nil, fmt.Errorf("arguments: %w", err)
		}
	}
	return r, nil
}

func readScript(file string, stdin io.Reader) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(stdin)
	}
	script, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read script: %w", err)
	}
	return script, nil
}

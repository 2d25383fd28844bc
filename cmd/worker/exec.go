package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"safepy/internal/config"
	"safepy/internal/jobs"
	"safepy/internal/worker"
)

// failure is a jobs.Error whose message stands beside it, under the name that the API gives it.
type failure struct {
	Code       jobs.Code `json:"code"`
	Message    string    `json:"-"`
	Type       string    `json:"type,omitempty"`
	Line       int       `json:"line,omitempty"`
	SourceLine string    `json:"source_line,omitempty"`
	Traceback  string    `json:"traceback,omitempty"`
}

// execute runs one script in a jail of its own, with no queue.
func execute(ctx context.Context, cfg config.Worker, file string, stdin io.Reader, stdout, stderr io.Writer) error {
	script, err := readScript(file, stdin)
	if err != nil {
		return err
	}
	cfg.JailMaxJobs = 1000
	if cfg.LogLevel == "info" {
		cfg.LogLevel = "warn" // the answer is what is wanted
	}
	log := cfg.Logger(stderr)
	pool, err := worker.OpenPoolFor(ctx, cfg, string(script), log)
	if err != nil {
		return err
	}
	defer pool.Close()
	outcome, err := worker.NewRunner(pool).Run(ctx, &jobs.Request{Script: string(script)})
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(stdout)
	encoder.SetEscapeHTML(false)
	if outcome.Error == nil {
		return encoder.Encode(struct {
			Result json.RawMessage `json:"result"`
			Stdout string          `json:"stdout"`
		}{outcome.Result, outcome.Stdout})
	}
	err = encoder.Encode(struct {
		Message string `json:"error"`
		*failure
		Stdout string `json:"stdout"`
		Stderr string `json:"stderr"`
	}{outcome.Error.Message, (*failure)(outcome.Error), outcome.Stdout, outcome.Stderr})
	if err != nil {
		return err
	}
	return errScriptFailed
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

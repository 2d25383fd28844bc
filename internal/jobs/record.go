package jobs

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// recordFields are read to know all of a job; summaryFields leave out the document, which may be megabytes.
var (
	summaryFields = []string{"s", "c", "st", "fin", "n", "ec", "em", "cl"}
	recordFields  = append(append([]string{}, summaryFields...), "doc")
)

// parseRecord turns the values of recordFields or summaryFields into a job; nil when there is no record.
func parseRecord(id string, values []any) (*Job, error) {
	v := make([]string, len(recordFields))
	for i, x := range values {
		v[i], _ = x.(string)
	}
	if v[0] == "" {
		return nil, nil
	}
	attempts, err := strconv.Atoi(v[4])
	if err != nil {
		return nil, fmt.Errorf("record of job %s: %w", id, err)
	}
	if doc := v[8]; doc != "" {
		j, err := parseDocument(doc, v[7])
		if err == nil {
			j.Attempts = attempts // the run that ended first may not have been the last to begin
		}
		return j, err
	}
	j := &Job{ID: id, Status: Status(v[0]), Files: []File{}, Client: v[7], Attempts: attempts}
	created, err := micros(v[1])
	if err != nil {
		return nil, fmt.Errorf("record of job %s: %w", id, err)
	}
	j.CreatedAt = *created
	if j.StartedAt, err = micros(v[2]); err != nil {
		return nil, fmt.Errorf("record of job %s: %w", id, err)
	}
	if j.FinishedAt, err = micros(v[3]); err != nil {
		return nil, fmt.Errorf("record of job %s: %w", id, err)
	}
	if v[5] != "" {
		j.Error = &Error{Code: Code(v[5]), Message: v[6]}
	}
	return j, nil
}

func parseDocument(doc, client string) (*Job, error) {
	j := &Job{Client: client}
	if err := json.Unmarshal([]byte(doc), j); err != nil {
		return nil, fmt.Errorf("job document: %w", err)
	}
	return j, nil
}

// micros reads a time in unix microseconds, as all times are kept; nil when there is none.
func micros(s string) (*time.Time, error) {
	if s == "" {
		return nil, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return nil, err
	}
	t := time.UnixMicro(n).UTC()
	return &t, nil
}

// document is the job as it ends with this outcome.
func document(c *claim, status Status, o *Outcome, finished time.Time) *Job {
	usage := o.Usage
	usage.QueueMS = float64(c.started.Sub(c.created).Microseconds()) / 1000
	j := &Job{
		ID: c.id, Status: status, Result: o.Result, Stdout: o.Stdout, Stderr: o.Stderr, Error: o.Error, Truncated: o.Truncated,
		Files: o.Files, Usage: &usage, Attempts: c.attempt, CreatedAt: c.created, StartedAt: &c.started, FinishedAt: &finished,
	}
	if j.Files == nil {
		j.Files = []File{}
	}
	return j
}

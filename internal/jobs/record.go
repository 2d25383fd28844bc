package jobs

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"
)

// recordFields are read to know all of a job; summaryFields leave out the document and what lies beside it, which may be
// megabytes.
var (
	summaryFields = []string{"s", "c", "st", "fin", "n", "ec", "em", "cl"}
	recordFields  = append(append([]string{}, summaryFields...), "doc", "out", "err", "res")
)

// maxInline is how long stdout, stderr and result may be together to be parts of the document, and with it of the message that
// tells of the job's end. Beyond it those longer than minApart become fields of their own: text as it was written, a result as
// compact JSON. Reading 1 MiB out of a JSON document and encoding it again cost more than running the script that wrote it.
const (
	maxInline = 8 << 10
	minApart  = 2 << 10
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
		if err != nil {
			return nil, err
		}
		j.Attempts = attempts // the run that ended first may not have been the last to begin
		j.Stdout, j.Stderr = cmp.Or(v[9], j.Stdout), cmp.Or(v[10], j.Stderr)
		if v[11] != "" {
			j.Result = json.RawMessage(v[11])
		}
		return j, nil
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
	j := &Job{Client: client, ResultChecked: true}
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

// moment is micros of a time that must be there.
func moment(text string) (time.Time, error) {
	t, err := micros(text)
	if err != nil || t == nil {
		return time.Time{}, fmt.Errorf("%.100q is no time", text)
	}
	return *t, nil
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

// encodeDocument returns the JSON of a job that has ended, and what is kept beside it: names and values of record fields.
func encodeDocument(j *Job) (doc []byte, apart []any, err error) {
	if len(j.Stdout)+len(j.Stderr)+len(j.Result) > maxInline {
		small := *j
		if len(j.Stdout) > minApart {
			apart, small.Stdout = append(apart, "out", characters(j.Stdout)), ""
		}
		if len(j.Stderr) > minApart {
			apart, small.Stderr = append(apart, "err", characters(j.Stderr)), ""
		}
		if len(j.Result) > minApart {
			var compact bytes.Buffer
			compact.Grow(len(j.Result))
			if err := json.Compact(&compact, j.Result); err != nil {
				return nil, nil, err
			}
			apart, small.Result = append(apart, "res", compact.Bytes()), nil
		}
		j = &small
	}
	doc, err = encode(j)
	return doc, apart, err
}

// characters replaces what is no UTF-8, as encoding to JSON does.
func characters(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}

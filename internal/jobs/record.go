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
// megabytes, and the error.
var (
	summaryFields = []string{"s", "c", "st", "fin", "n", "cl"}
	recordFields  = append(append([]string{}, summaryFields...), "ec", "em", "doc", "out", "err", "res", "cs", "outs")
)

// maxInline is how long stdout, stderr, result and outputs may be together to be parts of the document, and with it of the message that
// tells of the job's end. Beyond it those longer than minApart become fields of their own: text as it was written, the others as
// compact JSON. Reading 1 MiB out of a JSON document and encoding it again cost more than running the script that wrote it.
const (
	maxInline = 8 << 10
	minApart  = 2 << 10
)

// noOutputs is what a document has where nothing was displayed. Nobody writes to it.
var noOutputs = json.RawMessage("[]")

// unreadable is the error of a job whose record says that it has ended, and not legibly how.
var unreadable = Error{Code: Internal, Message: "the outcome of this job cannot be read any more"}

// parseRecord turns the values of recordFields or summaryFields into a job; nil when there is no record, or none of ours. A record that is
// damaged is as good as what can still be read of it: whoever lists a thousand jobs does not want to fail at one.
func parseRecord(id string, values []any) *Job {
	v := make([]string, len(recordFields))
	for i, x := range values[:min(len(values), len(v))] {
		v[i], _ = x.(string)
	}
	status := Status(v[0])
	if !status.known() {
		return nil
	}
	attempts, _ := strconv.Atoi(v[4])
	cases := parseCases(v[12])
	if doc := v[8]; doc != "" {
		if j := parseDocument(doc, id, v[5]); j != nil {
			j.Cases, j.Summary = cases, summary(cases)
			j.Attempts = attempts // the run that ended first may not have been the last to begin
			j.Stdout, j.Stderr = cmp.Or(v[9], j.Stdout), cmp.Or(v[10], j.Stderr)
			if v[11] != "" {
				j.Result = json.RawMessage(v[11])
			}
			if v[13] != "" {
				j.Outputs = json.RawMessage(v[13])
			}
			return j
		}
		failure := unreadable
		return &Job{
			ID: id, Status: Failed, Error: &failure, Outputs: noOutputs, Files: []ResultFile{}, Client: v[5], Attempts: attempts,
			CreatedAt: created(v[1]), StartedAt: micros(v[2]), FinishedAt: micros(v[3]),
		}
	}
	j := &Job{
		ID: id, Status: status, Outputs: noOutputs, Files: []ResultFile{}, Client: v[5], Attempts: attempts,
		CreatedAt: created(v[1]), StartedAt: micros(v[2]), FinishedAt: micros(v[3]), Cases: cases, Summary: summary(cases),
	}
	if v[6] != "" {
		j.Error = &Error{Code: Code(v[6]), Message: v[7]}
		j.Error.bound()
	}
	return j
}

// parseDocument reads the document of a job that has ended; nil when that is none.
func parseDocument(doc, id, client string) *Job {
	j := &Job{}
	if err := json.Unmarshal([]byte(doc), j); err != nil || j.ID != id || !j.Status.Final() {
		return nil
	}
	j.Client, j.ResultChecked = client, true
	j.fillArrays()
	j.Error.bound()
	return j
}

// fillArrays has a document say [] where there is nothing.
func (j *Job) fillArrays() {
	if j.Files == nil {
		j.Files = []ResultFile{}
	}
	if len(j.Outputs) == 0 || j.Outputs[0] != '[' {
		j.Outputs = noOutputs
	}
}

// parseCases reads what is known of a job's cases; nil when that is nothing, or not legible.
func parseCases(text string) []CaseOutcome {
	var cases []CaseOutcome
	if text == "" || json.Unmarshal([]byte(text), &cases) != nil {
		return nil
	}
	for i := range cases {
		cases[i].Error.bound()
	}
	return cases
}

// The longest texts of an error, in bytes, as long as those that a worker takes out of a jail. In the list there is room for less.
const (
	maxMessage   = 8 << 10
	maxShort     = 1 << 10
	maxCode      = 64
	maxType      = 200
	maxSource    = 500
	maxTraceback = 64 << 10
)

// bound keeps short what is short, whoever has written it.
func (e *Error) bound() {
	if e == nil {
		return
	}
	e.Code = Code(shortened(string(e.Code), maxCode))
	e.Limit = TimeLimit(shortened(string(e.Limit), maxCode))
	e.Message = shortened(e.Message, maxMessage)
	e.Type = shortened(e.Type, maxType)
	e.SourceLine = shortened(e.SourceLine, maxSource)
	e.Traceback = shortened(e.Traceback, maxTraceback)
}

// shortened cuts a text at a character, and says so.
func shortened(s string, most int) string {
	const more = "..."
	if len(s) <= most {
		return s
	}
	return beginning(s, most-len(more)) + more
}

// beginning is as much of a text as fits, cut at a character.
func beginning(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}

// micros reads a time in unix microseconds, as all times are kept; nil when there is none, or none that a document can say.
func micros(s string) *time.Time {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > lastMicros {
		return nil
	}
	t := time.UnixMicro(n).UTC()
	return &t
}

// lastMicros is the last moment that RFC 3339 has four digits of a year for.
var lastMicros = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC).UnixMicro()

// created is when a job was made: the zero time where its record does not say so.
func created(s string) time.Time {
	if t := micros(s); t != nil {
		return *t
	}
	return time.Time{}
}

// moment is micros of a time that must be there.
func moment(text string) (time.Time, error) {
	t := micros(text)
	if t == nil {
		return time.Time{}, fmt.Errorf("%.100q is no time", text)
	}
	return *t, nil
}

// document is the job as it ends with this outcome.
func document(c *claim, status Status, o *Outcome, finished time.Time) *Job {
	usage := o.Usage
	usage.QueueMS = float64(c.started.Sub(c.created).Microseconds()) / 1000
	j := &Job{
		ID: c.id, Status: status, Result: o.Result, ExitCode: o.ExitCode, Stdout: o.Stdout, Stderr: o.Stderr, Error: o.Error, Truncated: o.Truncated,
		Outputs: o.Outputs, Files: o.Files, Usage: &usage, Cases: o.Cases, Summary: summary(o.Cases),
		Attempts: c.attempt, CreatedAt: c.created, StartedAt: &c.started, FinishedAt: &finished,
	}
	j.fillArrays()
	return j
}

// encodeDocument returns the JSON of a job that has ended, and what is kept beside it: names and values of record fields.
func encodeDocument(j *Job) (doc []byte, apart []any, err error) {
	if j.Cases != nil {
		// Never in the document: how far they were may stand in the record already.
		text, err := encode(j.Cases)
		if err != nil {
			return nil, nil, err
		}
		small := *j
		apart, small.Cases, small.Summary = append(apart, "cs", text), nil, nil
		j = &small
	}
	if len(j.Stdout)+len(j.Stderr)+len(j.Result)+len(j.Outputs) > maxInline {
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
		if len(j.Outputs) > minApart { // compact as they come out of a jail
			apart, small.Outputs = append(apart, "outs", []byte(j.Outputs)), noOutputs
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

package jobs

import "encoding/json"

// Case is one input of a job's script, and what is expected of it. What it leaves out is the request's.
type Case struct {
	Name  string          `json:"name,omitempty"`
	Args  json.RawMessage `json:"args,omitempty"`
	Stdin *string         `json:"stdin,omitempty"`
	// Files come to those of the request.
	Files  []File  `json:"files,omitempty"`
	Expect *Expect `json:"expect,omitempty"`
}

// Expect is how a case should end; what is not set may be anything.
type Expect struct {
	Result   json.RawMessage `json:"result,omitempty"`
	Stdout   *string         `json:"stdout,omitempty"`
	ExitCode *int            `json:"exit_code,omitempty"`
	// Tolerance is of the numbers in Result, absolute or relative, whichever allows more.
	Tolerance float64 `json:"tolerance,omitempty"`
	// Exact compares Stdout byte for byte.
	Exact bool `json:"exact,omitempty"`
}

// CaseStatus says whether a case's program has ended well. The list is closed.
type CaseStatus string

const (
	CaseCompleted CaseStatus = "completed"
	CaseFailed    CaseStatus = "failed"
	// CaseSkipped: it has not been run, or was broken off by the job's end.
	CaseSkipped CaseStatus = "skipped"
)

// CaseOutcome is how one case ended.
type CaseOutcome struct {
	Name   string     `json:"name"`
	Status CaseStatus `json:"status"`
	// Passed is there where something was expected and the case was run; Mismatch then says what was different.
	Passed   *bool           `json:"passed,omitempty"`
	Mismatch string          `json:"mismatch,omitempty"`
	Result   json.RawMessage `json:"result"`
	ExitCode *int            `json:"exit_code"`
	Stdout   string          `json:"stdout"`
	Stderr   string          `json:"stderr"`
	Error    *Error          `json:"error"`
	// Truncated is there where something is missing.
	Truncated *CaseTruncated `json:"truncated,omitempty"`
	Files     []ResultFile   `json:"files,omitempty"`
	// Outputs as in Job, where there are some.
	Outputs json.RawMessage `json:"outputs,omitempty"`
	Usage   *Usage          `json:"usage"`
}

// CaseTruncated says what is not whole: for the limits of one job, or since all cases together had more than is kept.
type CaseTruncated struct {
	Truncated
	Result bool `json:"result"`
}

// failed reports whether the case counts as failed in the summary.
func (c *CaseOutcome) failed() bool {
	if c.Passed != nil {
		return !*c.Passed
	}
	return c.Status == CaseFailed
}

// Summary counts cases; Total is the sum of the others.
type Summary struct {
	Total   int `json:"total"`
	Passed  int `json:"passed"`
	Failed  int `json:"failed"`
	Skipped int `json:"skipped"`
}

// summary counts a job's cases; nil where it has none.
func summary(cases []CaseOutcome) *Summary {
	if cases == nil {
		return nil
	}
	s := &Summary{Total: len(cases)}
	for i := range cases {
		switch c := &cases[i]; {
		case c.Status == CaseSkipped:
			s.Skipped++
		case c.failed():
			s.Failed++
		default:
			s.Passed++
		}
	}
	return s
}

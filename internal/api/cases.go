package api

import (
	"encoding/json"
	"fmt"
	"strconv"

	"safepy/internal/jobpath"
	"safepy/internal/jobs"
)

const (
	maxCases = 1000
	// maxCaseName is in bytes.
	maxCaseName = 200
)

const caseExample = `[{"name": "small", "args": [2], "expect": {"result": 4}}]`

// parseCases decodes the cases; what depends on the request's other fields is checkCases' part.
func parseCases(value json.RawMessage) ([]jobs.Case, error) {
	if value[0] != '[' {
		return nil, badRequest("cases must be an array such as %s, not %s", caseExample, kind(value))
	}
	var list []json.RawMessage
	if err := json.Unmarshal(value, &list); err != nil {
		return nil, badRequest("cases: %v", err)
	}
	switch {
	case len(list) == 0:
		return nil, badRequest("cases is empty; send at least one such as %s, or leave it out", caseExample)
	case len(list) > maxCases:
		return nil, badRequest("cases holds %d cases and at most %d are accepted; send the rest as another job", len(list), maxCases)
	}
	cases := make([]jobs.Case, len(list))
	for i, raw := range list {
		var err error
		if cases[i], err = parseCase("cases["+strconv.Itoa(i)+"]", raw); err != nil {
			return nil, err
		}
	}
	return cases, nil
}

func parseCase(at string, value json.RawMessage) (c jobs.Case, err error) {
	if value[0] != '{' {
		return c, badRequest("%s must be an object such as %s, not %s", at, caseExample[1:len(caseExample)-1], kind(value))
	}
	fields, err := members(at, value)
	if err != nil {
		return c, err
	}
	for _, f := range fields {
		if null(f.value) {
			switch f.name {
			case "name", "args", "stdin", "files", "expect":
				continue // as if it were left out
			}
		}
		switch f.name {
		case "name":
			if c.Name, err = text(at+".name", f.value); err == nil && len(c.Name) > maxCaseName {
				err = badRequest("%s.name is %d bytes long and at most %d are accepted; shorten it", at, len(c.Name), maxCaseName)
			}
		case "args":
			c.Args, err = parseArgs(at+".args", f.value)
		case "stdin":
			var s string
			s, err = text(at+".stdin", f.value)
			c.Stdin = &s
		case "files":
			c.Files, err = parseFiles(at+".files", f.value)
		case "expect":
			c.Expect, err = parseExpect(at+".expect", f.value)
		default:
			err = badRequest("%s is not a known field; a case has name, args, stdin, files and expect", join(at, f.name))
		}
		if err != nil {
			return c, err
		}
	}
	return c, nil
}

func parseExpect(at string, value json.RawMessage) (*jobs.Expect, error) {
	if value[0] != '{' {
		return nil, badRequest(`%s must be an object such as {"stdout": "4\n"} or {"result": 4}, not %s`, at, kind(value))
	}
	fields, err := members(at, value)
	if err != nil {
		return nil, err
	}
	e := &jobs.Expect{}
	given := map[string]bool{}
	for _, f := range fields {
		given[f.name] = true
		switch f.name {
		case "result":
			e.Result = f.value // null is a value like any other
		case "stdout":
			var s string
			s, err = text(at+".stdout", f.value)
			e.Stdout = &s
		case "exit_code":
			var n int
			n, err = exitCode(at+".exit_code", f.value)
			e.ExitCode = &n
		case "tolerance":
			e.Tolerance, err = tolerance(at+".tolerance", f.value)
		case "exact":
			e.Exact, err = boolean(at+".exact", f.value)
		default:
			err = badRequest("%s is not a known field; expect has result, stdout, exit_code, tolerance and exact", join(at, f.name))
		}
		if err != nil {
			return nil, err
		}
	}
	switch {
	case !given["result"] && !given["stdout"] && !given["exit_code"]:
		return nil, badRequest("%s names nothing; write result, stdout or exit_code, or leave expect out", at)
	case given["tolerance"] && !given["result"]:
		return nil, badRequest("%s.tolerance is for the numbers in result, which is not there; leave it out", at)
	case given["exact"] && !given["stdout"]:
		return nil, badRequest("%s.exact is for stdout, which is not there; leave it out", at)
	}
	return e, nil
}

func exitCode(at string, value json.RawMessage) (int, error) {
	n, err := strconv.Atoi(string(value))
	if err != nil || n < 0 || n > 255 {
		return 0, badRequest("%s must be a whole number from 0 to 255, not %s", at, shown(string(value), 32))
	}
	return n, nil
}

func tolerance(at string, value json.RawMessage) (float64, error) {
	n, err := strconv.ParseFloat(string(value), 64)
	if err != nil || n < 0 {
		return 0, badRequest("%s must be a number from 0, such as 1e-9, not %s", at, shown(string(value), 32))
	}
	return n, nil
}

func boolean(at string, value json.RawMessage) (bool, error) {
	switch string(value) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, badRequest("%s must be true or false, not %s", at, kind(value))
}

// checkCases looks at what cases and the fields beside them say together.
func checkCases(r *jobs.Request) error {
	if r.StopOnFailure && len(r.Cases) == 0 {
		return badRequest("stop_on_failure is for cases, which are not there; leave it out")
	}
	for i := range r.Cases {
		c, at := &r.Cases[i], "cases["+strconv.Itoa(i)+"]"
		if err := checkCase(at, c, r.Mode); err != nil {
			return err
		}
		if len(c.Files) > 0 {
			if err := checkPaths(at, r.Files, c.Files); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkCase(at string, c *jobs.Case, mode jobs.Mode) error {
	if mode == jobs.Program {
		if err := checkCommandLine(at+".args", c.Args); err != nil {
			return err
		}
		if c.Expect != nil && c.Expect.Result != nil {
			return badRequest("%s.expect.result is for mode function; a program is expected to have stdout or exit_code", at)
		}
	} else if c.Expect != nil && c.Expect.ExitCode != nil {
		return badRequest(`%s.expect.exit_code is for "mode": "program"; expect result or stdout`, at)
	}
	return nil
}

// checkPaths sees to it that a case's files and those of all cases can lie beside one another.
func checkPaths(at string, shared, own []jobs.File) error {
	if len(shared)+len(own) > maxFiles {
		return badRequest("%s.files and files are %d together and at most %d are accepted; pack them into one", at, len(shared)+len(own), maxFiles)
	}
	var taken jobpath.Taken
	for i, f := range shared {
		taken.Add(f.Path, fmt.Sprintf("files[%d]", i))
	}
	for i, f := range own {
		if clash := taken.Add(f.Path, fmt.Sprintf("%s.files[%d]", at, i)); clash != nil {
			return badRequest("%s.files[%d].path %q and the path of %s are in each other's way; give each file a path of its own", at, i,
				cut(f.Path, 64), clash.Owner)
		}
	}
	return nil
}

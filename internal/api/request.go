package api

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"safepy/internal/jobpath"
	"safepy/internal/jobs"
)

// example is the shortest request that works, for messages.
const example = `{"script": "def main():\n    return 42"}`

// Limits are what one request may ask for.
type Limits struct {
	ScriptBytes  int
	RequestBytes int64
	TimeoutMS    int
	MemoryMB     int
}

const maxFiles = 256

// parseRequest turns a request body into a job's request, or says which field is wrong and what to write instead.
func parseRequest(body []byte, l Limits) (*jobs.Request, error) {
	fields, err := parseObject(body)
	if err != nil {
		return nil, err
	}
	r := &jobs.Request{}
	given := false
	for _, f := range fields {
		switch f.name {
		case "script":
			given = true
			r.Script, err = parseScript(f.value, l.ScriptBytes)
		case "mode":
			r.Mode, err = optional(f.value, parseMode)
		case "args":
			r.Args, err = optional(f.value, func(value json.RawMessage) (json.RawMessage, error) { return parseArgs("args", value) })
		case "stdin":
			r.Stdin, err = optional(f.value, textAt("stdin"))
		case "files":
			r.Files, err = optional(f.value, func(value json.RawMessage) ([]jobs.File, error) { return parseFiles("files", value) })
		case "limits":
			r.Limits, err = optional(f.value, func(value json.RawMessage) (jobs.Limits, error) { return parseLimits(value, l) })
		case "priority":
			r.Priority, err = optional(f.value, parsePriority)
		case "cases":
			r.Cases, err = optional(f.value, parseCases)
		case "stop_on_failure":
			r.StopOnFailure, err = optional(f.value, func(value json.RawMessage) (bool, error) { return boolean("stop_on_failure", value) })
		default:
			err = badRequest("%s is not a known field; the fields are script, mode, args, stdin, files, limits, priority, cases and stop_on_failure", join("", f.name))
		}
		if err != nil {
			return nil, err
		}
	}
	if !given {
		return nil, badRequest("script is missing; send a JSON object such as %s", example)
	}
	if r.Mode == jobs.Program {
		if err := checkCommandLine("args", r.Args); err != nil {
			return nil, err
		}
	}
	return r, checkCases(r)
}

func parseMode(value json.RawMessage) (jobs.Mode, error) {
	s, err := text("mode", value)
	if err != nil {
		return "", err
	}
	switch m := jobs.Mode(s); m {
	case jobs.Function:
		return "", nil // as if it were left out, which is shorter
	case jobs.Program:
		return m, nil
	}
	return "", badRequest("mode must be function or program, not %q", cut(s, 32))
}

// checkCommandLine looks at the args of a program: what stands behind its name in sys.argv.
func checkCommandLine(at string, args json.RawMessage) error {
	const want = `in mode program args is the command line, an array of strings such as ["--rows", "10"]`
	if args == nil {
		return nil
	}
	var line []json.RawMessage
	if args[0] != '[' {
		return badRequest("%s, not %s; send data in stdin or files", want, kind(args))
	}
	if err := json.Unmarshal(args, &line); err != nil {
		return badRequest("%s: %v", at, err)
	}
	for i, word := range line {
		s, err := text(fmt.Sprintf("%s[%d]", at, i), word)
		switch {
		case err != nil && word[0] != '"':
			return badRequest("%s[%d] is %s; %s", at, i, kind(word), want)
		case err != nil:
			return err
		case strings.IndexByte(s, 0) >= 0:
			return badRequest("%s[%d] holds a NUL character, which a command line cannot; send it in stdin or files", at, i)
		}
	}
	return nil
}

func parseScript(value json.RawMessage, limit int) (string, error) {
	script, err := text("script", value)
	switch {
	case err != nil:
		return "", err
	case strings.TrimSpace(script) == "":
		return "", badRequest("script is empty; send Python that defines main(), such as %s", example)
	case len(script) > limit:
		return "", tooLarge("script is %d bytes long and at most %d are accepted; send data in args, stdin or files instead", len(script), limit)
	}
	if i := strings.IndexByte(script, 0); i >= 0 {
		return "", badRequest("script holds a NUL character in line %d, which Python source cannot; remove it, or write it as an escape inside a Python string",
			1+strings.Count(script[:i], "\n"))
	}
	return script, nil
}

// parseArgs leaves the arguments as they were written: only Python's own parser keeps its integers exact.
func parseArgs(at string, value json.RawMessage) (json.RawMessage, error) {
	switch value[0] {
	case '{', '[':
		return value, nil
	}
	return nil, badRequest("%s must be an object (main's keyword arguments) or an array (its positional ones), not %s; leave it out when main takes none", at,
		kind(value))
}

func parseLimits(value json.RawMessage, l Limits) (out jobs.Limits, err error) {
	if value[0] != '{' {
		return out, badRequest(`limits must be an object such as {"timeout_ms": 5000, "memory_mb": 64}, not %s`, kind(value))
	}
	fields, err := members("limits", value)
	for _, f := range fields {
		switch f.name {
		case "timeout_ms":
			out.TimeoutMS, err = optional(f.value, wholeAt("limits.timeout_ms", "milliseconds", l.TimeoutMS, "JOB_TIMEOUT"))
		case "memory_mb":
			out.MemoryMB, err = optional(f.value, wholeAt("limits.memory_mb", "MB", l.MemoryMB, "JOB_MEMORY_MB"))
		default:
			err = badRequest("%s is not a known field; limits has timeout_ms and memory_mb", join("limits", f.name))
		}
		if err != nil {
			return out, err
		}
	}
	return out, err
}

func parsePriority(value json.RawMessage) (jobs.Priority, error) {
	s, err := text("priority", value)
	if err != nil {
		return "", err
	}
	switch p := jobs.Priority(s); p {
	case jobs.High, jobs.Default, jobs.Low:
		return p, nil
	}
	return "", badRequest("priority must be high, default or low, not %q", cut(s, 32))
}

func parseFiles(at string, value json.RawMessage) ([]jobs.File, error) {
	if value[0] != '[' {
		return nil, badRequest(`%s must be an array such as [{"path": "data.csv", "content": "a,b\n1,2\n"}], not %s`, at, kind(value))
	}
	var list []json.RawMessage
	if err := json.Unmarshal(value, &list); err != nil {
		return nil, badRequest("%s: %v", at, err)
	}
	if len(list) > maxFiles {
		return nil, badRequest("%s holds %d files and at most %d are accepted; pack them into one", at, len(list), maxFiles)
	}
	files := make([]jobs.File, 0, len(list))
	var taken jobpath.Taken
	for i, raw := range list {
		at := fmt.Sprintf("%s[%d]", at, i)
		f, err := parseFile(at, raw)
		if err != nil {
			return nil, err
		}
		if clash := taken.Add(f.Path, at); clash != nil {
			switch {
			case clash.Above:
				return nil, badRequest("%s.path %q needs a folder where %s is a file; rename one of them", at, cut(f.Path, 64), clash.Owner)
			case clash.Folder:
				return nil, badRequest("%s.path %q is taken by %s's folder already; give each file a path of its own", at, cut(f.Path, 64), clash.Owner)
			}
			return nil, badRequest("%s.path %q is taken by %s already; give each file a path of its own", at, cut(f.Path, 64), clash.Owner)
		}
		files = append(files, f)
	}
	return files, nil
}

func parseFile(at string, value json.RawMessage) (jobs.File, error) {
	var f jobs.File
	if value[0] != '{' {
		return f, badRequest(`%s must be an object such as {"path": "data.csv", "content": "a,b\n1,2\n"}, not %s`, at, kind(value))
	}
	fields, err := members(at, value)
	if err != nil {
		return f, err
	}
	given := map[string]bool{}
	for _, m := range fields {
		given[m.name] = m.name != "encoding" || !null(m.value)
		switch m.name {
		case "path":
			f.Path, err = text(at+".path", m.value)
		case "content":
			f.Content, err = text(at+".content", m.value)
		case "encoding":
			f.Encoding, err = optional(m.value, textAt(at+".encoding"))
		default:
			err = badRequest("%s is not a known field; a file has path, content and encoding", join(at, m.name))
		}
		if err != nil {
			return f, err
		}
	}
	switch {
	case !given["path"]:
		return f, badRequest("%s.path is missing; say where in the working directory the file goes, such as data.csv", at)
	case !given["content"]:
		return f, badRequest(`%s.content is missing; send the file's text, or its base64 with "encoding": "base64"`, at)
	}
	f.Path = jobpath.Clean(f.Path)
	if problem := jobpath.Problem(f.Path); problem != "" {
		return f, badRequest("%s.path %q %s; write a path inside the working directory, such as data/in.csv", at, cut(f.Path, 64), problem)
	}
	switch f.Encoding {
	case "base64":
		_, err := base64.StdEncoding.Strict().DecodeString(f.Content)
		if bad, ok := errors.AsType[base64.CorruptInputError](err); ok {
			return f, badRequest("%s.content is not base64 (character %d); use the standard alphabet with padding", at, int64(bad)+1)
		}
	case "utf-8":
	case "":
		if given["encoding"] {
			return f, badRequest(`%s.encoding must be "utf-8" or "base64", not empty; leave it out for utf-8`, at)
		}
	default:
		return f, badRequest(`%s.encoding must be "utf-8" or "base64", not %q`, at, cut(f.Encoding, 32))
	}
	return f, nil
}

// cut shortens what a client sent before it goes into a message.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "..."
}

package jail

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"safepy/internal/jobpath"
	"safepy/internal/jsondepth"
)

// header is the first line of what a child sends back, after the byte that says it is sandboxed. It is the job's own word.
type header struct {
	Error *Failure `json:"error"`
	Files fileList `json:"files"`
	// Unnamed is how many files more there are.
	Unnamed int `json:"unnamed"`
	// ExitCode is a program's.
	ExitCode *int `json:"exit_code"`
	// DroppedOutputs is how many were one too many, or did not fit.
	DroppedOutputs int `json:"dropped_outputs"`
}

const (
	// MaxFiles is the most that Limits.Files may be.
	MaxFiles = 1000
	// namedFiles are named and not handed back: NAMED_MOST of files.py. Of more only the number is told.
	namedFiles = 256
	// maxHeaderFiles bounds what a job may claim to have left behind.
	maxHeaderFiles = MaxFiles + namedFiles
	// maxUnnamed is more than a working directory holds.
	maxUnnamed = 1 << 30
)

// The longest texts of a failure, in bytes.
const (
	maxMessage    = 8 << 10
	maxType       = 200
	maxSourceLine = 500
	maxTraceback  = 64 << 10
)

// maxHeader is how long the header of an honest answer can be: files as base64 or as text with escapes (_document of files.py), names
// of 512 bytes with escapes, and a failure whose texts are cut at as many characters, each up to six bytes of JSON.
func (l Limits) maxHeader() int {
	const each, named, failure = 6*jobpath.MaxBytes + 2<<10, 6*jobpath.MaxBytes + 128, 6 * (maxMessage + maxTraceback + 64<<10)
	return (l.FilesBytes+2)/3*4 + l.Files*each + namedFiles*named + failure
}

// fileList is decoded one by one: a line of eight million bytes can say two million files, each a hundred times what it takes to say.
type fileList []File

func (l *fileList) UnmarshalJSON(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	start, err := d.Token()
	switch {
	case err != nil:
		return err
	case start == nil:
		return nil
	case start != json.Delim('['):
		return errors.New("files: no array")
	}
	for d.More() {
		if len(*l) == maxHeaderFiles {
			return errors.New("files: too many")
		}
		var f File
		if err := d.Decode(&f); err != nil {
			return err
		}
		*l = append(*l, f)
	}
	return nil
}

// parse reads a complete answer. ok is false when it is not one: a job can write to its own result what it likes. What is taken is
// bounded here, each part for itself, before anything is made of it.
func parse(sent []byte, l Limits) (Outcome, bool) {
	if len(sent) < 2 || sent[0] != 'w' {
		return Outcome{}, false
	}
	shown, answer := l.outputs(sent[1:])
	line, result, found := bytes.Cut(answer, []byte("\n"))
	var h header
	// A byte that is no UTF-8 would become three.
	if !found || len(line) > l.maxHeader() || !utf8.Valid(line) || json.Unmarshal(line, &h) != nil {
		return Outcome{}, false
	}
	o := Outcome{UnnamedFiles: min(max(h.Unnamed, 0), maxUnnamed)}
	o.Outputs, o.DroppedOutputs = shown.array(), shown.droppedAtLeast(h.DroppedOutputs)
	if code := h.ExitCode; code != nil && *code >= 0 && *code <= 255 {
		o.ExitCode = code
	}
	o.Files = l.honest(h.Files, &o.UnnamedFiles)
	if h.Error != nil {
		if len(result) > 0 || !fromChild(h.Error.Code) {
			return Outcome{}, false
		}
		h.Error.bound()
		if h.Error.Code == MemoryLimit {
			h.Error.Message = outOfMemory(l).Message
		}
		o.Failure = h.Error
		return o, true
	}
	if len(result) > l.ResultBytes || !json.Valid(result) || !utf8.Valid(result) {
		return Outcome{}, false
	}
	if jsondepth.Of(result) > MaxResultDepth {
		o.Failure = &Failure{Code: InvalidResult, Message: fmt.Sprintf(
			"main() function must return valid JSON (got more than %d levels of nesting)", MaxResultDepth)}
		return o, true
	}
	o.Result = result
	return o, true
}

// bound keeps what a job says of its failure as short as the runner does.
func (f *Failure) bound() {
	f.Message = cutMiddle(f.Message, maxMessage)
	f.Type = identifier(f.Type)
	f.SourceLine = cutEnd(oneLine(f.SourceLine), maxSourceLine)
	f.Traceback = cutMiddle(f.Traceback, maxTraceback)
	if f.Line < 0 || f.Line > 1<<31 {
		f.Line = 0
	}
}

// identifier is the name of a class, without what cannot be part of one.
func identifier(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.Mn, r) {
			return r
		}
		return -1
	}, cutEnd(s, maxType))
	return s
}

func oneLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// cutEnd cuts at a character.
func cutEnd(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// cutMiddle leaves the two ends, which say more.
func cutMiddle(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	const said = "\n[... %d bytes left out ...]\n"
	half := (limit - len(said) - 20) / 2
	head, from := cutEnd(s, half), len(s)-half
	for from < len(s) && !utf8.RuneStart(s[from]) {
		from++
	}
	return head + fmt.Sprintf(said, from-len(head)) + s[from:]
}

// honest are those of the files that a job could have left, as many and as large as it may hand back. The others are counted.
func (l Limits) honest(claimed []File, unnamed *int) []File {
	var taken jobpath.Taken
	files := claimed[:0]
	whole, named, room := 0, 0, int64(l.FilesBytes)
	for _, f := range claimed {
		ok := false
		switch {
		case !f.plausible():
		case f.Reason == "":
			ok = whole < l.Files && f.Size <= room
		default:
			ok = named < namedFiles
		}
		if !ok || taken.Add(f.Path, "") != nil {
			*unnamed++
			continue
		}
		if f.Reason == "" {
			whole, room = whole+1, room-f.Size
		} else {
			named++
		}
		files = append(files, f)
	}
	return files
}

// plausible reports whether f can be a file of the working directory. Whoever unpacks the files that a job says it wrote must not
// be led out of the folder that he unpacks them in, on Windows neither, where a backslash divides folders.
func (f *File) plausible() bool {
	if jobpath.Problem(f.Path) != "" || f.Size < 0 {
		return false
	}
	switch f.Reason {
	case "":
	case TooLarge, TooMany, Unreadable, Link, Special, OddName:
		return f.Content == "" && f.Encoding == ""
	default:
		return false
	}
	switch f.Encoding {
	case "utf-8":
		return f.Size == int64(len(f.Content))
	case "base64":
		content, err := base64.StdEncoding.DecodeString(f.Content)
		return err == nil && f.Size == int64(len(content))
	}
	return false
}

// fromChild reports whether a job may say this of itself. What only the worker can see is the worker's to say.
func fromChild(c Code) bool {
	switch c {
	case SyntaxError, NoMain, DangerousImport, InvalidResult, Exception, MemoryLimit, OutputLimit:
		return true
	}
	return false
}

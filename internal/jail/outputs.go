package jail

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"safepy/internal/jsondepth"
)

// MaxOutputs is the most that Limits.Outputs may be.
const MaxOutputs = 1000

// What a job sends of what it displays, each on a line of its own before its answer, or before its end where it gives none: a bundle, or
// word that there are more than are sent (display.py).
const (
	bundleLine = '+'
	moreLine   = '-'
)

const (
	// maxTypes is how many forms one output may have.
	maxTypes = 32
	// maxMIME is how long the name of one may be, in bytes.
	maxMIME = 127
	// maxDropped is more than a script can display.
	maxDropped = 1 << 30
)

// mimeName is RFC 6838's, without parameters.
var mimeName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*$`)

// maxOutputs is how many bytes of lines the outputs of an honest job take.
func (l Limits) maxOutputs() int { return l.OutputsBytes + (l.Outputs+1)*len("+\n") }

// outputs are a job's as far as they have come.
type outputs struct {
	bundles []byte // with commas between
	count   int
	// dropped are those that were too many, too long or no MIME bundles, and one for all that the job says it has not sent.
	dropped int
	// forged says that there was a line of none of ours. Those after it are not looked at: millions fit.
	forged bool
}

// outputs takes the lines of outputs off the front of what a job has sent. It is the job's own word, all of it: what is kept is written
// anew from what has been looked at. A line that has no end was not to be finished any more.
func (l Limits) outputs(sent []byte) (shown outputs, rest []byte) {
	more := false
	for len(sent) > 0 && (sent[0] == bundleLine || sent[0] == moreLine) {
		line, after, whole := bytes.Cut(sent, []byte("\n"))
		if !whole {
			shown.dropped++
			break
		}
		sent = after
		switch {
		case line[0] == moreLine:
			more = true
		case !shown.add(line[1:], l):
			shown.dropped++
		}
	}
	if more {
		shown.dropped++
	}
	return shown, sent
}

func (o *outputs) add(line []byte, l Limits) bool {
	// The commas do not count.
	if o.forged || o.count == l.Outputs || len(o.bundles)+len(line) > l.OutputsBytes+o.count {
		return false
	}
	before := o.bundles
	if o.count > 0 {
		o.bundles = append(o.bundles, ',')
	}
	bundle, ok := appendBundle(o.bundles, line)
	if !ok || len(bundle) > l.OutputsBytes+o.count { // it has got metadata that it came without
		o.bundles, o.forged = before, true
		return false
	}
	o.bundles = bundle
	o.count++
	return true
}

// array is the JSON of all, nil when there are none.
func (o *outputs) array() json.RawMessage {
	if o.count == 0 {
		return nil
	}
	return append(append(append(make([]byte, 0, len(o.bundles)+2), '['), o.bundles...), ']')
}

// droppedAtLeast is how many are missing, by what has been seen and by what the job says itself.
func (o *outputs) droppedAtLeast(claimed int) int {
	return min(max(o.dropped, claimed), maxDropped)
}

// appendBundle appends to b the MIME bundle that a line holds. False where it is none.
func appendBundle(b, line []byte) ([]byte, bool) {
	if !utf8.Valid(line) || !json.Valid(line) || jsondepth.Of(line) > MaxResultDepth {
		return b, false
	}
	// Read piece by piece: a line of a million names would be a hundred times as much when decoded.
	var parts struct {
		Data     mimeData        `json:"data"`
		Metadata json.RawMessage `json:"metadata"`
	}
	if json.Unmarshal(line, &parts) != nil || len(parts.Data) == 0 {
		return b, false
	}
	metadata := parts.Metadata
	if len(metadata) == 0 {
		metadata = json.RawMessage("{}")
	}
	if metadata[0] != '{' {
		return b, false
	}
	out := bytes.NewBuffer(append(b, `{"data":{`...))
	for i, form := range parts.Data {
		if i > 0 {
			out.WriteByte(',')
		}
		out.WriteString(`"` + form.mime + `":`) // such a name has nothing to escape
		if json.Compact(out, form.value) != nil {
			return b, false
		}
	}
	out.WriteString(`},"metadata":`)
	if json.Compact(out, metadata) != nil {
		return b, false
	}
	out.WriteByte('}')
	return out.Bytes(), true
}

var errNoBundle = errors.New("no MIME bundle")

// form is what an output is in one MIME type.
type form struct {
	mime  string
	value json.RawMessage
}

// mimeData are the forms of one output in the order in which they came.
type mimeData []form

func (m *mimeData) UnmarshalJSON(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return errNoBundle
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		mime, _ := name.(string)
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return err
		}
		if len(*m) == maxTypes || len(mime) > maxMIME || !mimeName.MatchString(mime) || m.has(mime) || !plausibleForm(mime, value) {
			return errNoBundle
		}
		*m = append(*m, form{mime, value})
	}
	return nil
}

func (m mimeData) has(mime string) bool {
	return slices.ContainsFunc(m, func(f form) bool { return f.mime == mime })
}

// plausibleForm reports whether a value is what its type promises: any JSON for a type of JSON, base64 for pictures and the like, else
// text.
func plausibleForm(mime string, value json.RawMessage) bool {
	mime = strings.ToLower(mime)
	if mime == "application/json" || strings.HasSuffix(mime, "+json") {
		return true
	}
	if value[0] != '"' {
		return false
	}
	if !isBinary(mime) {
		return true
	}
	// A string of base64 has nothing to escape.
	encoded := value[1 : len(value)-1]
	decoded := make([]byte, base64.StdEncoding.DecodedLen(len(encoded)))
	_, err := base64.StdEncoding.Strict().Decode(decoded, encoded)
	return err == nil
}

// isBinary is is_binary of display.py.
func isBinary(mime string) bool {
	kind, name, _ := strings.Cut(mime, "/")
	switch kind {
	case "image", "audio", "video":
		return !strings.HasSuffix(name, "+xml")
	}
	return mime == "application/pdf" || mime == "application/octet-stream"
}

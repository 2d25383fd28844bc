package api

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"

	"safepy/internal/jsondepth"
)

// maxDepth is how deep arguments may nest. Python's own parser gives up near 1,000, and nobody nests by hand.
const maxDepth = 500

// member is one field of a JSON object, its value as it was written.
type member struct {
	name  string
	value json.RawMessage
}

// parseObject splits a request body into its fields. encoding/json alone is not enough here: it replaces what is not
// UTF-8, takes fields whose case differs, and lets the last of two equal fields win, each of which runs something else than
// was meant without a word.
func parseObject(body []byte) ([]member, error) {
	body, err := validObject(body, example)
	if err != nil {
		return nil, err
	}
	if jsondepth.Of(body) > maxDepth {
		return nil, badRequest("The request body nests deeper than %d levels; flatten it, or send the data as a file in files", maxDepth)
	}
	return members(theBody, body)
}

// validObject makes sure that a body is one JSON object in UTF-8; the complaint about one that is not shows an example.
func validObject(body []byte, example string) ([]byte, error) {
	body = bytes.TrimPrefix(body, []byte("\ufeff"))
	switch trimmed := bytes.TrimLeft(body, " \t\r\n"); {
	case len(trimmed) == 0:
		return nil, badRequest("The request body is empty; send a JSON object such as %s", example)
	case !utf8.Valid(body):
		return nil, badRequest("The request body is not valid UTF-8; encode it as UTF-8, or write other characters as \\uXXXX")
	case !json.Valid(body):
		return nil, invalidJSON(body)
	case trimmed[0] != '{':
		return nil, badRequest("The request body must be a JSON object, not %s; send one such as %s", kind(trimmed), example)
	}
	return body, nil
}

// members splits an object that is known to be valid JSON. at is where in the request it stands, empty for the whole.
func members(at string, object json.RawMessage) ([]member, error) {
	dec := json.NewDecoder(bytes.NewReader(object))
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	var out []member
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, err
		}
		m := member{name: token.(string)}
		if err := dec.Decode(&m.value); err != nil {
			return nil, err
		}
		for _, earlier := range out {
			if earlier.name == m.name {
				return nil, badRequest("%s is given twice; send it once", join(strings.TrimPrefix(at, theBody), m.name))
			}
		}
		// The loop above is quadratic, and no object here has more than six fields that are known.
		if len(out) >= maxFields {
			return nil, badRequest("%s has more than %d fields, and most of them are not known here; leave them out", at, maxFields)
		}
		out = append(out, m)
	}
	return out, nil
}

const maxFields = 32

// theBody stands where other objects have the path of their field.
const theBody = "The request body"

// join is the path of a field, such as limits.timeout_ms; a field of the body itself goes by its name alone.
func join(at, name string) string {
	if name = shown(name, 64); at == "" {
		return name
	}
	return at + "." + name
}

// shown is what a client sent, fit for a message: its first n bytes, and what is no plain text in it escaped.
func shown(s string, n int) string {
	quoted := strconv.Quote(cut(s, n))
	return quoted[1 : len(quoted)-1]
}

// kind names what a JSON value is, for messages.
func kind(value []byte) string {
	switch value[0] {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

// null reports whether a value is JSON's null.
func null(value json.RawMessage) bool { return value[0] == 'n' }

// optional decodes a field that may be left out: null, which typed clients send for what is not set, is the same.
func optional[T any](value json.RawMessage, decode func(json.RawMessage) (T, error)) (T, error) {
	if null(value) {
		var absent T
		return absent, nil
	}
	return decode(value)
}

func textAt(at string) func(json.RawMessage) (string, error) {
	return func(value json.RawMessage) (string, error) { return text(at, value) }
}

func wholeAt(at, unit string, maximum int, setting string) func(json.RawMessage) (int, error) {
	return func(value json.RawMessage) (int, error) { return whole(at, unit, value, maximum, setting) }
}

// text decodes a string. Half of a surrogate pair is refused: it is no character, UTF-8 cannot hold it, and encoding/json
// would put U+FFFD in its place.
func text(at string, value json.RawMessage) (string, error) {
	if value[0] != '"' {
		return "", badRequest("%s must be a string, not %s", at, kind(value))
	}
	if half := loneSurrogate(value); half != "" {
		return "", badRequest("%s holds half of a surrogate pair (%s), which is no character; send the whole pair, or the character itself in UTF-8", at, half)
	}
	var s string
	if err := json.Unmarshal(value, &s); err != nil {
		return "", badRequest("%s is not a valid string: %v", at, err)
	}
	return s, nil
}

// loneSurrogate returns the first escape in a valid JSON string that is half of a surrogate pair.
func loneSurrogate(value []byte) string {
	unit := func(i int) uint64 {
		if i+6 > len(value) || value[i] != '\\' || value[i+1] != 'u' {
			return 0
		}
		u, _ := strconv.ParseUint(string(value[i+2:i+6]), 16, 16)
		return u
	}
	for i := bytes.IndexByte(value, '\\'); i >= 0 && i < len(value); i++ {
		if value[i] != '\\' {
			continue
		}
		switch u := unit(i); {
		case u >= 0xD800 && u < 0xDC00:
			if low := unit(i + 6); low < 0xDC00 || low > 0xDFFF {
				return string(value[i : i+6])
			}
			i += 11
		case u >= 0xDC00 && u <= 0xDFFF:
			return string(value[i : i+6])
		default:
			i++
		}
	}
	return ""
}

// whole decodes a whole number of at least 1 and at most the given maximum.
func whole(at, unit string, value json.RawMessage, maximum int, setting string) (int, error) {
	if c := value[0]; c != '-' && (c < '0' || c > '9') {
		return 0, badRequest("%s must be a whole number of %s, not %s", at, unit, kind(value))
	}
	shown := string(value[:min(len(value), 32)])
	if bytes.ContainsAny(value, ".eE") {
		return 0, badRequest("%s must be a whole number of %s, not %s; write it without point and exponent", at, unit, shown)
	}
	n, err := strconv.Atoi(string(value))
	if value[0] == '-' || n == 0 {
		return 0, badRequest("%s must be from 1 to %d %s, not %s; leave it out for the most the server allows", at, maximum, unit, shown)
	}
	if err != nil || n > maximum {
		return 0, badRequest("%s must be at most %d %s, not %s; lower it, or ask the operator to raise %s", at, maximum, unit, shown, setting)
	}
	return n, nil
}

package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// invalidJSON says what is wrong, in which field and at which line and column: the offset alone helps nobody with a
// script of a hundred lines in one string.
func invalidJSON(body []byte) error {
	var v json.RawMessage
	err := json.Unmarshal(body, &v)
	offset, reason := len(body), "it ends too early"
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		offset, reason = int(syntax.Offset), syntax.Error()
	}
	offset = min(max(offset-1, 0), len(body))
	line := 1 + bytes.Count(body[:offset], []byte("\n"))
	column := 1 + utf8.RuneCount(body[bytes.LastIndexByte(body[:offset], '\n')+1:offset])
	if strings.HasPrefix(reason, "unexpected end") {
		reason = "it ends too early"
	}

	where, hint := fieldAt(body), ""
	switch rest := body[offset:]; {
	case hasAnyPrefix(rest, "NaN", "Inf", "nan", "inf") || hasAnyPrefix(body[max(offset-1, 0):], "-Inf", "-inf", "-NaN", "-nan"):
		reason, hint = "JSON has no NaN and no Infinity", "; send a number, or null"
	case strings.Contains(reason, "in string literal"):
		hint = `; inside a string write line breaks as \n and tabs as \t`
	case len(rest) > 0 && rest[0] == '\'':
		hint = `; JSON strings stand between double quotes`
	case hasAnyPrefix(rest, "True", "False", "None"):
		hint = "; JSON writes true, false and null"
	case strings.Contains(reason, "exceeded max depth"):
		hint = "; flatten it"
	case strings.Contains(reason, "after top-level value"):
		hint = "; send one JSON object and nothing after it"
	}
	if where != "" {
		reason = where + ": " + reason
	}
	return badRequest("Invalid JSON: %s (line %d, column %d)%s", reason, line, column, hint)
}

func hasAnyPrefix(b []byte, prefixes ...string) bool {
	for _, p := range prefixes {
		if bytes.HasPrefix(b, []byte(p)) {
			return true
		}
	}
	return false
}

// fieldAt is the path of the field in which the JSON stops being valid, such as limits.timeout_ms.
func fieldAt(body []byte) string {
	type level struct {
		name  string
		index int
		array bool
		// key is set while an object waits for the value of name.
		key bool
	}
	var stack []level
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	for len(stack) <= maxDepth {
		token, err := dec.Token()
		if err != nil {
			break
		}
		if d, ok := token.(json.Delim); ok {
			if d == '{' || d == '[' {
				stack = append(stack, level{array: d == '['})
				continue
			}
			stack = stack[:len(stack)-1]
		} else if n := len(stack); n > 0 && !stack[n-1].array && !stack[n-1].key {
			stack[n-1].name, stack[n-1].key = token.(string), true
			continue
		}
		if n := len(stack); n == 0 {
			// The object is whole; what follows it is wrong and is in no field.
			return ""
		} else if stack[n-1].array {
			stack[n-1].index++
		} else {
			stack[n-1].key = false
		}
	}
	path := ""
	for _, l := range stack[:min(len(stack), 8)] {
		switch {
		case l.array:
			path += fmt.Sprintf("[%d]", l.index)
		case l.key:
			path = strings.TrimPrefix(path+"."+join("", l.name), ".")
		}
	}
	return path
}

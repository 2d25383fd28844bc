package api

import (
	"bytes"
	"encoding/json"
	"math/bits"
	"strconv"
	"unicode/utf8"

	"safepy/internal/jobs"
)

// encodeDocument appends the JSON of a document to b, with a line end. What scripts print and return can be megabytes: their
// bytes go straight to where they belong, looked at once. Everything else is encoding/json's to write, and everything reads as
// if that had written it all.
func encodeDocument(b []byte, document any) ([]byte, error) {
	var err error
	switch d := document.(type) {
	case executed:
		b, err = d.appendTo(b)
	case *jobs.Job:
		if len(d.Stdout)+len(d.Stderr)+len(d.Result)+len(d.Outputs) <= largeText {
			b, err = appendValue(b, d)
		} else {
			b, err = appendJob(b, d)
		}
	case errorBody:
		if len(d.Stdout)+len(d.Stderr) <= largeText {
			b, err = appendValue(b, d)
		} else {
			b, err = d.appendTo(b)
		}
	default:
		b, err = appendValue(b, d)
	}
	return append(b, '\n'), err
}

// largeText is where leaving out the long texts pays for putting them in again.
const largeText = 4 << 10

func (e executed) appendTo(b []byte) ([]byte, error) {
	b, err := appendResult(append(b, `{"result":`...), e.Result, e.checked)
	b = appendString(append(b, `,"stdout":`...), e.Stdout)
	if e.ExitCode != nil {
		b = strconv.AppendInt(append(b, `,"exit_code":`...), int64(*e.ExitCode), 10)
	}
	return append(b, '}'), err
}

func (e errorBody) appendTo(b []byte) ([]byte, error) {
	stdout, stderr := e.Stdout, e.Stderr
	e.Stdout, e.Stderr = "", ""
	b, err := appendValue(b, e)
	if err != nil {
		return nil, err
	}
	b = b[:len(b)-1]
	if stdout != "" {
		b = appendString(append(b, `,"stdout":`...), stdout)
	}
	if stderr != "" {
		b = appendString(append(b, `,"stderr":`...), stderr)
	}
	return append(b, '}'), nil
}

// appendJob encodes a job without its long fields and puts them where their empty ones stand, right after id and status. Both
// are plain words of ours, so that the first of them found are they.
func appendJob(b []byte, j *jobs.Job) ([]byte, error) {
	const empty = `"result":null,"stdout":"","stderr":"","outputs":null`
	small := *j
	small.Result, small.Stdout, small.Stderr, small.Outputs = nil, "", "", nil
	encoded, err := appendValue(nil, &small)
	if err != nil {
		return nil, err
	}
	head, tail, _ := bytes.Cut(encoded, []byte(empty))
	b = append(append(b, head...), `"result":`...)
	if b, err = appendResult(b, j.Result, j.ResultChecked); err != nil {
		return nil, err
	}
	b = appendString(append(b, `,"stdout":`...), j.Stdout)
	b = appendString(append(b, `,"stderr":`...), j.Stderr)
	if b, err = appendResult(append(b, `,"outputs":`...), j.Outputs, j.ResultChecked); err != nil {
		return nil, err
	}
	return append(b, tail...), nil
}

// appendResult appends a result byte for byte but for spaces between tokens. One that nobody has checked yet is checked.
func appendResult(b []byte, result json.RawMessage, checked bool) ([]byte, error) {
	switch {
	case result == nil:
		return append(b, "null"...), nil
	case checked:
		return append(b, result...), nil
	}
	out := bytes.NewBuffer(b)
	err := json.Compact(out, result)
	return out.Bytes(), err
}

// appendValue leaves <, > and & as they are: nobody puts this into HTML unescaped, and "a < b" printed by a script should read
// like that.
func appendValue(b []byte, v any) ([]byte, error) {
	out := bytes.NewBuffer(b)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	b = out.Bytes()
	return b[:len(b)-1], nil
}

// appendString appends s as a JSON string, in the very bytes that encoding/json would write, at several times its pace: it looks
// at eight bytes at a time.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := plain(s, 0); i < len(s); i = plain(s, i) {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			switch {
			case r == utf8.RuneError && size == 1:
				b = append(append(b, s[start:i]...), `\ufffd`...)
				start = i + 1
			case r == '\u2028' || r == '\u2029':
				// Line ends in JavaScript of old, where JSON may be pasted.
				b = append(append(b, s[start:i]...), `\u202`...)
				b = append(b, hex[r&0xf])
				start = i + size
			}
			i += size
			continue
		}
		b = append(b, s[start:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		case '\b':
			b = append(b, '\\', 'b')
		case '\f':
			b = append(b, '\\', 'f')
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
		}
		i++
		start = i
	}
	return append(append(b, s[start:]...), '"')
}

const hex = "0123456789abcdef"

// plain returns where in s, from i on, the next byte is that is not simply copied: a control character, a quote, a backslash or
// a part of a longer character.
func plain(s string, i int) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(s); i += 8 {
		// One load: the compiler sees through it.
		x := uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
			uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
		// A subtraction sets the top bit of a byte that was too small for it. It may also set that of the byte above, so that
		// only the lowest one set is sure to mean something; no other is used.
		quote, backslash := x^ones*'"', x^ones*'\\'
		found := (x | (x-ones*' ')&^x | (quote-ones)&^quote | (backslash-ones)&^backslash) & tops
		if found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for ; i < len(s); i++ {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			break
		}
	}
	return i
}

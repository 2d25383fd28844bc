package jsondepth

import (
	"bytes"
	"encoding/json"
	"testing"
)

func TestOf(t *testing.T) {
	for text, want := range map[string]int{
		`1`: 0, `"[[["`: 0, `[]`: 1, `{}`: 1, `[[],[[]]]`: 3, `{"a":{"b":[1]}}`: 3, `["\"[","]"]`: 1, `["\\",["x"]]`: 2, `[[1],[2],{"]":[]}]`: 3,
	} {
		if got := Of([]byte(text)); got != want {
			t.Errorf("%s: %d, want %d", text, got, want)
		}
	}
}

func FuzzOf(f *testing.F) {
	for _, seed := range []string{`1`, `[[],{"a":["\\\"["]}]`, `"\u005b["`, `{"]":1}`, `[{},{},[[]],[]]`, `{"a":{},"b":{"c":{}}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got := Of(text) // which must come to an end for any text, and be right for JSON
		if !json.Valid(text) {
			return
		}
		want, now := 0, 0
		tokens := json.NewDecoder(bytes.NewReader(text))
		for {
			token, err := tokens.Token()
			if err != nil {
				break
			}
			switch token {
			case json.Delim('['), json.Delim('{'):
				now++
				want = max(want, now)
			case json.Delim(']'), json.Delim('}'):
				now--
			}
		}
		if got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	})
}

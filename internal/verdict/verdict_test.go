package verdict

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestResult(t *testing.T) {
	for _, c := range []struct {
		want, got string
		tolerance float64
		differ    string // empty for the same; else a part of what is said
	}{
		{"1", "1", 0, ""},
		{"1", "1.0", 0, ""},
		{"1e2", "100", 0, ""},
		{"0", "-0.0", 0, ""},
		{"-0", "0", 0, ""},
		{"123456789012345678901234567890", "123456789012345678901234567890", 0, ""},
		{"123456789012345678901234567890", "123456789012345678901234567891", 0, "result is 123456789012345678901234567891, expected"},
		{"9007199254740993", "9007199254740992", 0, "result is 9007199254740992"},
		{"0.1", "0.30000000000000004", 0, "result is 0.30000000000000004, expected 0.1"},
		{"0.3", "0.30000000000000004", 1e-9, ""},
		{"1000000", "1000000.5", 1e-6, ""},
		{"1000000", "1000002", 1e-6, "expected 1000000"},
		{"1e999", "1e999", 0, ""},
		{"1e999", "1e998", 1, "expected"},
		{`"1"`, "1", 0, `result is 1, expected "1"`},
		{"1", `"1"`, 0, `result is "1", expected 1`},
		{"true", "1", 0, "result is 1, expected true"},
		{"null", "null", 0, ""},
		{"null", "0", 0, "result is 0, expected null"},
		{"0", "null", 0, "result is null, expected 0"},
		{"{}", "[]", 0, "result is [], expected {}"},
		{`"\u00e9"`, `"é"`, 0, ""},
		{`{"a": [1, {"b": null}], "c": 2}`, `{"c": 2.0, "a": [1, {"b": null}]}`, 0, ""},
		{`{"a": [1, {"b": null}]}`, `{"a": [1, {"b": 0}]}`, 0, `result["a"][1]["b"] is 0, expected null`},
		{`{"a": 1}`, `{}`, 0, `result has no "a"`},
		{`{}`, `{"a": 1}`, 0, `result has "a", which is not expected`},
		{"[1,2]", "[1]", 0, "result has 1 items, expected 2"},
		{"[1,2]", "[2,1]", 0, "result[0] is 2, expected 1"},
		{"[1.0001]", "[1]", 0.001, ""},
		{"1", `"` + strings.Repeat("é", 200) + `"`, 0, "..., expected 1"},
		{"1", "", 0, "the result is not JSON"},
	} {
		got := Result(json.RawMessage(c.want), json.RawMessage(c.got), c.tolerance)
		if (got == "") != (c.differ == "") || !strings.Contains(got, c.differ) {
			t.Errorf("%.80s and %.80s within %g: %q", c.want, c.got, c.tolerance, got)
		}
	}
}

func TestText(t *testing.T) {
	for _, c := range []struct {
		want, got string
		exact     bool
		differ    string
	}{
		{"a\nb\n", "a\nb\n", true, ""},
		{"a\nb", "a\nb\n", false, ""},
		{"a\nb", "a\nb\n", true, `stdout goes on in line 3 with "", expected its end`},
		{"a\nb\n", "a  \r\nb\t\n\n\n", false, ""},
		{"  a", "a", false, ""},
		{"a\n  b", "a\n b", false, `line 2 of stdout is " b", expected "  b"`},
		{"a b", "a  b", false, "line 1"},
		{"", "\n \n", false, ""},
		{"", "x", false, `line 1 of stdout is "x", expected ""`},
		{"a\nb\nc", "a", false, `stdout ends after line 1, expected "b" in the next`},
		{"a", "a\nb", false, `stdout goes on in line 2 with "b", expected its end`},
		{"a\n\nb", "a\nb", false, "line 2"},
		{"1", "1.0", false, "line 1"},
	} {
		if got := Text(c.want, c.got, c.exact); (got == "") != (c.differ == "") || !strings.Contains(got, c.differ) {
			t.Errorf("%q and %q, exact %v: %q", c.want, c.got, c.exact, got)
		}
	}
}

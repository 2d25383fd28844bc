package api

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"safepy/internal/jobs"
)

// TestBadRequests: every body here is answered 400 by both routes, with a message that names the field and the next step.
func TestBadRequests(t *testing.T) {
	s := serve(t)
	with := func(field string) string { return `{"script": "def main(): return 1", ` + field + `}` }
	file := func(fields string) string { return with(`"files": [{` + fields + `}]`) }
	path := func(p string) string { return file(fmt.Sprintf(`"path": %q, "content": ""`, p)) }
	for _, c := range []struct {
		name, body string
		want       []string
	}{
		// The body as a whole.
		{"empty", "", []string{"empty", `{"script":`}},
		{"blank", " \r\n\t", []string{"empty", `{"script":`}},
		{"BOM alone", "\ufeff", []string{"empty"}},
		{"array", `[]`, []string{"must be a JSON object, not an array"}},
		{"string", `"def main(): pass"`, []string{"must be a JSON object, not a string"}},
		{"number", `1`, []string{"not a number"}},
		{"null", `null`, []string{"not null"}},
		{"boolean", `true`, []string{"not a boolean"}},
		{"cut off", `{"script": "def main(): ret`, []string{"Invalid JSON: ", "ends too early", "script"}},
		{"cut off after colon", `{"script":`, []string{"Invalid JSON: script: it ends too early"}},
		{"just a brace", `{`, []string{"Invalid JSON", "ends too early"}},
		{"trailing data", with(`"stdin": ""`) + ` {"script": 1}`, []string{"Invalid JSON", "one JSON object and nothing after it"}},
		{"trailing brace", `{"script": "x"}}`, []string{"Invalid JSON", "nothing after it", "column 16"}},
		{"trailing comma", `{"script": "x",}`, []string{"Invalid JSON", "line 1, column 16"}},
		{"comment", "{\"script\": \"x\" // why\n}", []string{"Invalid JSON", "column 16"}},
		{"single quotes", `{'script': 'x'}`, []string{"Invalid JSON", "double quotes", "column 2"}},
		{"single-quoted value", `{"script": 'x'}`, []string{"Invalid JSON: script", "double quotes"}},
		{"raw line break", "{\"script\": \"def main():\n  return 1\"}", []string{"Invalid JSON: script", `\n`, "line 1, column 24"}},
		{"raw tab", "{\"script\": \"def main():\treturn 1\"}", []string{"Invalid JSON: script", `\t`}},
		{"Python literals", `{"script": None}`, []string{"Invalid JSON: script", "true, false and null"}},
		{"bad escape", `{"script": "\x41"}`, []string{"Invalid JSON: script", "escape"}},
		{"unquoted key", `{script: "x"}`, []string{"Invalid JSON"}},
		{"second line", "{\n  \"script\": oops\n}", []string{"line 2, column 13"}},
		{"not UTF-8", "{\"script\": \"\xff\xfe\"}", []string{"not valid UTF-8", `\uXXXX`}},
		{"UTF-8 of a surrogate", "{\"script\": \"\xed\xa0\x80\"}", []string{"not valid UTF-8"}},
		{"UTF-16", "{\x00\"\x00s\x00}\x00", []string{"Invalid JSON"}},
		{"binary", "\x00\x01\x02", []string{"Invalid JSON"}},
		{"form", "script=1", []string{"Invalid JSON"}},
		{"too deep", with(`"args": ` + strings.Repeat("[", 600) + strings.Repeat("]", 600)), []string{"deeper than 500", "flatten"}},
		{"far too deep", with(`"args": ` + strings.Repeat("[", 1_000_000)), []string{"Invalid JSON", "flatten"}},
		{"far too deep in objects", strings.Repeat(`{"a":`, 300_000), []string{"Invalid JSON"}},

		// Fields.
		{"no field", `{}`, []string{"script is missing", `{"script":`}},
		{"unknown field", with(`"code": 1`), []string{"code is not a known field", "stdin"}},
		{"unknown field first", `{"Script": "x"}`, []string{"Script is not a known field", "script, mode, args"}},
		{"empty field name", with(`"": 1`), []string{"is not a known field"}},
		{"hostile field name", with(`"a\u0000\n\u202e": 1`), []string{`a\x00\n\u202e is not a known field`}},
		{"long field name", with(`"` + strings.Repeat("é", 500) + `": 1`), []string{"... is not a known field"}},
		{"script twice", `{"script": "a", "script": "b"}`, []string{"script is given twice", "once"}},
		{"script twice, once escaped", `{"script": "a", "\u0073cript": "b"}`, []string{"script is given twice"}},
		{"limits twice", with(`"limits": {}, "limits": {}`), []string{"limits is given twice"}},

		// script.
		{"script empty", `{"script": ""}`, []string{"script is empty", "main()"}},
		{"script blank", `{"script": " \n\t\u00a0"}`, []string{"script is empty"}},
		{"script null", `{"script": null}`, []string{"script must be a string, not null"}},
		{"script number", `{"script": 1}`, []string{"script must be a string, not a number"}},
		{"script array", `{"script": ["def main():"]}`, []string{"script must be a string, not an array"}},
		{"script object", `{"script": {}}`, []string{"script must be a string, not an object"}},
		{"script boolean", `{"script": false}`, []string{"script must be a string, not a boolean"}},
		{"script with NUL", `{"script": "a\nb\u0000c"}`, []string{"script holds a NUL character in line 2", "remove"}},
		{"high surrogate", `{"script": "x = '\ud800'"}`, []string{"script holds half of a surrogate pair", `\ud800`}},
		{"low surrogate", `{"script": "\uDC00"}`, []string{"script holds half", `\uDC00`}},
		{"surrogates the wrong way", `{"script": "\udc00\ud800"}`, []string{"script holds half"}},
		{"high surrogate twice", `{"script": "\ud83d\ud83d\ude00"}`, []string{"script holds half"}},
		{"high surrogate at the end", `{"script": "\\\ud83d"}`, []string{"script holds half"}},

		// args.
		{"args string", with(`"args": "x"`), []string{"args must be an object", "array", "not a string"}},
		{"args number", with(`"args": 1`), []string{"args must be", "not a number"}},
		{"args true", with(`"args": true`), []string{"args must be", "not a boolean"}},
		{"args NaN", with(`"args": {"a": [1, NaN]}`), []string{"args.a[1]", "no NaN"}},

		// mode.
		{"mode number", with(`"mode": 1`), []string{"mode must be a string, not a number"}},
		{"mode unknown", with(`"mode": "script"`), []string{"mode must be function or program", "script"}},
		{"program with keyword arguments", with(`"mode": "program", "args": {"n": 1}`), []string{"args is the command line", "not an object", "stdin or files"}},
		{"program with a number", with(`"args": ["a", 1], "mode": "program"`), []string{"args[1] is a number", "array of strings"}},
		{"program with half a character", with(`"mode": "program", "args": ["\ud800"]`), []string{"args[0] holds half"}},
		{"program with NUL", with(`"mode": "program", "args": ["a\u0000"]`), []string{"args[0] holds a NUL"}},

		// cases.
		{"cases object", with(`"cases": {}`), []string{"cases must be an array", "not an object", "expect"}},
		{"cases empty", with(`"cases": []`), []string{"cases is empty", "leave it out"}},
		{"cases many", with(`"cases": [{}` + strings.Repeat(",{}", 1000) + `]`), []string{"cases holds 1001 cases and at most 1000"}},
		{"case number", with(`"cases": [1]`), []string{"cases[0] must be an object", "not a number"}},
		{"case unknown field", with(`"cases": [{}, {"input": ""}]`), []string{"cases[1].input is not a known field", "name, args, stdin, files and expect"}},
		{"case field twice", with(`"cases": [{"stdin": "", "stdin": ""}]`), []string{"cases[0].stdin is given twice"}},
		{"case name long", with(`"cases": [{"name": "` + strings.Repeat("x", 201) + `"}]`), []string{"cases[0].name is 201 bytes long and at most 200"}},
		{"case args string", with(`"cases": [{"args": "x"}]`), []string{"cases[0].args must be an object", "not a string"}},
		{"case stdin surrogate", with(`"cases": [{"stdin": "\ud800"}]`), []string{"cases[0].stdin holds half"}},
		{"case file path", with(`"cases": [{"files": [{"path": "../x", "content": ""}]}]`), []string{"cases[0].files[0].path", "leaves"}},
		{"case file and file", with(`"files": [{"path": "a", "content": ""}], "cases": [{"files": [{"path": "a/b", "content": ""}]}]`),
			[]string{"cases[0].files[0].path", "files[0]", "in each other's way"}},
		{"expect string", with(`"cases": [{"expect": "4"}]`), []string{"cases[0].expect must be an object", "not a string"}},
		{"expect empty", with(`"cases": [{"expect": {}}]`), []string{"cases[0].expect names nothing", "leave expect out"}},
		{"expect unknown field", with(`"cases": [{"expect": {"output": ""}}]`), []string{"cases[0].expect.output is not a known field", "tolerance"}},
		{"expect stdout number", with(`"cases": [{"expect": {"stdout": 4}}]`), []string{"cases[0].expect.stdout must be a string"}},
		{"expect exit code of a function", with(`"cases": [{"expect": {"exit_code": 0}}]`), []string{"exit_code is for", "program", "expect result or stdout"}},
		{"expect exit code 256", with(`"mode": "program", "cases": [{"expect": {"exit_code": 256}}]`), []string{"from 0 to 255, not 256"}},
		{"expect result of a program", with(`"mode": "program", "cases": [{"expect": {"result": null}}]`), []string{"result is for mode function"}},
		{"case args of a program", with(`"mode": "program", "cases": [{"args": [1]}]`), []string{"cases[0].args[0] is a number", "command line"}},
		{"tolerance alone", with(`"cases": [{"expect": {"stdout": "", "tolerance": 1}}]`), []string{"tolerance is for the numbers in result"}},
		{"tolerance negative", with(`"cases": [{"expect": {"result": 1, "tolerance": -1}}]`), []string{"tolerance must be a number from 0"}},
		{"tolerance string", with(`"cases": [{"expect": {"result": 1, "tolerance": "1"}}]`), []string{"tolerance must be a number from 0"}},
		{"tolerance huge", with(`"cases": [{"expect": {"result": 1, "tolerance": 1e999}}]`), []string{"tolerance must be a number from 0"}},
		{"exact alone", with(`"cases": [{"expect": {"result": 1, "exact": true}}]`), []string{"exact is for stdout"}},
		{"exact number", with(`"cases": [{"expect": {"stdout": "", "exact": 1}}]`), []string{"exact must be true or false, not a number"}},
		{"stop_on_failure alone", with(`"stop_on_failure": true`), []string{"stop_on_failure is for cases"}},
		{"stop_on_failure string", with(`"cases": [{}], "stop_on_failure": "yes"`), []string{"stop_on_failure must be true or false, not a string"}},

		// stdin and priority.
		{"stdin number", with(`"stdin": 1`), []string{"stdin must be a string, not a number"}},
		{"stdin surrogate", with(`"stdin": "\ud800"`), []string{"stdin holds half"}},
		{"priority number", with(`"priority": 1`), []string{"priority must be a string"}},
		{"priority unknown", with(`"priority": "urgent"`), []string{"priority must be high, default or low", "urgent"}},
		{"priority in capitals", with(`"priority": "HIGH"`), []string{"priority must be high, default or low"}},

		// limits.
		{"limits array", with(`"limits": []`), []string{"limits must be an object", "timeout_ms", "not an array"}},
		{"limits unknown", with(`"limits": {"cpu": 1}`), []string{"limits.cpu is not a known field", "memory_mb"}},
		{"limits field twice", with(`"limits": {"memory_mb": 1, "memory_mb": 2}`), []string{"limits.memory_mb is given twice"}},
		{"timeout zero", with(`"limits": {"timeout_ms": 0}`), []string{"limits.timeout_ms must be from 1 to 10000 milliseconds, not 0", "leave it out"}},
		{"timeout minus zero", with(`"limits": {"timeout_ms": -0}`), []string{"limits.timeout_ms must be from 1"}},
		{"timeout negative", with(`"limits": {"timeout_ms": -5}`), []string{"limits.timeout_ms must be from 1 to 10000", "-5"}},
		{"timeout hugely negative", with(`"limits": {"timeout_ms": -99999999999999999999999}`), []string{"limits.timeout_ms must be from 1"}},
		{"timeout float", with(`"limits": {"timeout_ms": 1.5}`), []string{"limits.timeout_ms must be a whole number of milliseconds, not 1.5"}},
		{"timeout whole float", with(`"limits": {"timeout_ms": 5.0}`), []string{"limits.timeout_ms must be a whole number"}},
		{"timeout exponent", with(`"limits": {"timeout_ms": 1e3}`), []string{"limits.timeout_ms must be a whole number", "without point and exponent"}},
		{"timeout infinite float", with(`"limits": {"timeout_ms": 1e999}`), []string{"limits.timeout_ms must be a whole number"}},
		{"timeout string", with(`"limits": {"timeout_ms": "1000"}`), []string{"limits.timeout_ms must be a whole number of milliseconds, not a string"}},
		{"timeout above the server's", with(`"limits": {"timeout_ms": 10001}`), []string{"limits.timeout_ms must be at most 10000", "JOB_TIMEOUT"}},
		{"timeout huge", with(`"limits": {"timeout_ms": 123456789012345678901234567890}`), []string{"limits.timeout_ms must be at most 10000"}},
		{"timeout NaN", with(`"limits": {"timeout_ms": NaN}`), []string{"limits.timeout_ms", "no NaN and no Infinity"}},
		{"timeout Infinity", with(`"limits": {"timeout_ms": Infinity}`), []string{"limits.timeout_ms", "no NaN and no Infinity"}},
		{"timeout -Infinity", with(`"limits": {"timeout_ms": -Infinity}`), []string{"limits.timeout_ms", "no NaN and no Infinity"}},
		{"timeout leading zero", with(`"limits": {"timeout_ms": 010}`), []string{"Invalid JSON", "limits"}},
		{"memory zero", with(`"limits": {"memory_mb": 0}`), []string{"limits.memory_mb must be from 1 to 100 MB"}},
		{"memory above the server's", with(`"limits": {"memory_mb": 101}`), []string{"limits.memory_mb must be at most 100 MB", "JOB_MEMORY_MB"}},
		{"memory NaN", with(`"limits": {"timeout_ms": 1, "memory_mb": NaN}`), []string{"limits.memory_mb", "no NaN"}},
		{"memory array", with(`"limits": {"memory_mb": [1]}`), []string{"limits.memory_mb", "not an array"}},

		// files.
		{"files object", with(`"files": {"a": "b"}`), []string{"files must be an array", "not an object"}},
		{"file string", with(`"files": ["a"]`), []string{"files[0] must be an object", "not a string"}},
		{"file without path", file(`"content": ""`), []string{"files[0].path is missing"}},
		{"file without content", file(`"path": "a"`), []string{"files[0].content is missing", "base64"}},
		{"file unknown field", file(`"path": "a", "content": "", "mode": 1`), []string{"files[0].mode is not a known field"}},
		{"file field twice", file(`"path": "a", "content": "", "path": "b"`), []string{"files[0].path is given twice"}},
		{"path number", file(`"path": 1, "content": ""`), []string{"files[0].path must be a string"}},
		{"content number", file(`"path": "a", "content": 1`), []string{"files[0].content must be a string"}},
		{"content surrogate", file(`"path": "a", "content": "\ud800"`), []string{"files[0].content holds half"}},
		{"path surrogate", file(`"path": "\ud800", "content": ""`), []string{"files[0].path holds half"}},
		{"path empty", path(""), []string{"files[0].path", "is empty", "data/in.csv"}},
		{"path absolute", path("/etc/passwd"), []string{"files[0].path", "is absolute"}},
		{"path up", path("../x"), []string{"files[0].path", "leaves the working directory"}},
		{"path up inside", path("a/../../x"), []string{"files[0].path", "leaves"}},
		{"path only up", path(".."), []string{"files[0].path", "leaves"}},
		{"path dot", path("."), []string{"files[0].path", "empty part"}},
		{"path dots alone", path("./."), []string{"files[0].path", "is empty"}},
		{"path of a folder", path("./a//"), []string{"files[0].path", "ends with a slash"}},
		{"path slash at the end", path("a/"), []string{"files[0].path", "ends with a slash"}},
		{"path backslash", path(`a\..\b`), []string{"files[0].path", "backslash"}},
		{"path NUL", file(`"path": "a\u0000b", "content": ""`), []string{"files[0].path", "control character"}},
		{"path newline", file(`"path": "a\nb", "content": ""`), []string{"files[0].path", "control character"}},
		{"path long", path(strings.Repeat("a/", 400) + "a"), []string{"files[0].path", "longer than 512 bytes"}},
		{"path long name", path(strings.Repeat("a", 256)), []string{"files[0].path", "name longer than 255 bytes"}},
		{"path deep", path(strings.Repeat("a/", 16) + "a"), []string{"files[0].path", "more than 16 levels"}},
		{"paths equal", with(`"files": [{"path": "a", "content": ""}, {"path": "b", "content": ""}, {"path": "a", "content": ""}]`), []string{`files[2].path "a" is taken by files[0]`}},
		{"file then folder", with(`"files": [{"path": "a", "content": ""}, {"path": "a/b", "content": ""}]`), []string{`files[1].path "a/b"`, "files[0]"}},
		{"folder then file", with(`"files": [{"path": "a/b/c", "content": ""}, {"path": "a", "content": ""}]`), []string{`files[1].path "a"`, "files[0]'s folder"}},
		{"encoding unknown", file(`"path": "a", "content": "", "encoding": "latin-1"`), []string{"files[0].encoding", `"utf-8" or "base64"`, "latin-1"}},
		{"encoding empty", file(`"path": "a", "content": "", "encoding": ""`), []string{"files[0].encoding"}},
		{"encoding number", file(`"path": "a", "content": "", "encoding": 8`), []string{"files[0].encoding must be a string"}},
		{"base64 bad", file(`"path": "a", "content": "@@@@", "encoding": "base64"`), []string{"files[0].content is not base64 (character 1)", "padding"}},
		{"base64 unpadded", file(`"path": "a", "content": "AAE", "encoding": "base64"`), []string{"files[0].content is not base64"}},
		{"base64 urlsafe", file(`"path": "a", "content": "_-8=", "encoding": "base64"`), []string{"files[0].content is not base64"}},
		{"base64 before encoding", file(`"encoding": "base64", "path": "a", "content": "é"`), []string{"files[0].content is not base64"}},
		{"many files", with(`"files": [` + strings.TrimSuffix(strings.Repeat(`{"path": "a", "content": ""},`, 257), ",") + `]`), []string{"files holds 257", "at most 256"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, route := range []string{"/execute", "/jobs"} {
				a := s.do("POST", route, c.body)
				a.t = t
				e := a.wantError(400, "invalid_request", c.want...)
				if len(e.Error) > 600 || !utf8.ValidString(e.Error) {
					t.Errorf("message of %d bytes: %.100q", len(e.Error), e.Error)
				}
			}
		})
	}
	if n := s.queue.submitted(); n != 0 {
		t.Errorf("%d of them were queued", n)
	}
}

// TestGoodRequests: the corners that must not be refused.
func TestGoodRequests(t *testing.T) {
	l := testOptions(t).Limits
	for name, body := range map[string]string{
		"script alone":         `{"script": "x"}`,
		"blanks everywhere":    "\ufeff \r\n\t{ \"script\" :\t\"x\" } \n",
		"escaped field name":   `{"\u0073cript": "x"}`,
		"surrogate pair":       `{"script": "\ud83d\ude00 \uD83D\uDE00"}`,
		"escaped backslash u":  `{"script": "\\ud800 \\\\udc00"}`,
		"control escapes":      `{"script": "\b\f\u0001\u007f"}`,
		"args empty":           `{"script": "x", "args": {}}`,
		"args empty array":     `{"script": "x", "args": []}`,
		"args 499 deep":        `{"script": "x", "args": ` + strings.Repeat("[", 499) + strings.Repeat("]", 499) + `}`,
		"brackets in a string": `{"script": "` + strings.Repeat(`[{\"`, 1000) + `"}`,
		"empty rest":           `{"script": "x", "stdin": "", "files": [], "limits": {}, "priority": "low"}`,
		"limits at the bound":  `{"script": "x", "limits": {"timeout_ms": 10000, "memory_mb": 100}}`,
		"limits of one":        `{"script": "x", "limits": {"timeout_ms": 1, "memory_mb": 1}}`,
		"paths":                `{"script": "x", "files": [{"path": "a/b.txt", "content": "x"}, {"path": "a/c d é.txt", "content": ""}, {"path": "..a", "content": "", "encoding": "utf-8"}, {"path": ".b", "content": "", "encoding": "base64"}]}`,
		"content with NUL":     `{"script": "x", "files": [{"path": "a", "content": "\u0000"}], "stdin": "\u0000"}`,
	} {
		if _, err := parseRequest([]byte(body), l); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseRequest(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `{"script": "def main(): return 1"}`, `{"script": "\ud83d\ude00", "args": {"a": [1, 1e400, "\ud800"]}}`,
		`{"script": "x", "limits": {"timeout_ms": 5, "memory_mb": NaN}}`, `{"script": "x", "args": [[[[`, "\ufeff{\"script\":\"\xff\"}",
		`{"script": "x", "files": [{"path": "a/b", "content": "AAEC", "encoding": "base64"}], "stdin": "y", "priority": "high"}`,
		`{"script": "x", "script": "y"} {}`, `{"a":{"b":{"c":[1,{"d":tru`, `{"script":"\u`, `{"script":"\\\ud800\\"}`,
	} {
		f.Add([]byte(seed))
	}
	l := Limits{ScriptBytes: 100, RequestBytes: 1000, TimeoutMS: 10_000, MemoryMB: 100}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := parseRequest(body, l)
		if err != nil {
			e, ok := err.(*httpError)
			if !ok || e.status != 400 && e.status != 413 || len(e.body.Error) < 10 || len(e.body.Error) > 1000 {
				t.Fatalf("%T %v", err, err)
			}
			if !utf8.ValidString(e.body.Error) {
				t.Fatalf("message %q", e.body.Error)
			}
			return
		}
		// What is accepted is within all limits, and is what a plain decoder makes of the same body.
		var plain struct {
			Script string          `json:"script"`
			Args   json.RawMessage `json:"args"`
			Stdin  string          `json:"stdin"`
		}
		if err := json.Unmarshal([]byte(strings.TrimPrefix(string(body), "\ufeff")), &plain); err != nil {
			t.Fatalf("accepted what is no JSON: %v", err)
		}
		if r.Script != plain.Script || r.Stdin != plain.Stdin || string(r.Args) != string(plain.Args) {
			t.Fatalf("%+v is not %+v", r, plain)
		}
		if strings.TrimSpace(r.Script) == "" || len(r.Script) > l.ScriptBytes || strings.Contains(r.Script, "\x00") {
			t.Fatalf("script %q", r.Script)
		}
		for _, file := range r.Files {
			if strings.HasPrefix(file.Path, "/") || strings.Contains("/"+file.Path+"/", "/../") {
				t.Fatalf("path %q", file.Path)
			}
		}
	})
}

// TestNullIsAbsent: typed clients send what is not set as null.
func TestNullIsAbsent(t *testing.T) {
	l := Limits{ScriptBytes: 1 << 20, RequestBytes: 10 << 20, TimeoutMS: 10000, MemoryMB: 100}
	got, err := parseRequest([]byte(`{"script": "s", "args": null, "stdin": null, "files": null, "limits": null, "priority": null}`), l)
	if want := (&jobs.Request{Script: "s"}); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	got, err = parseRequest([]byte(`{"script": "s", "limits": {"timeout_ms": null, "memory_mb": 5}, "files": [{"path": "a", "content": "x", "encoding": null}]}`), l)
	want := &jobs.Request{Script: "s", Limits: jobs.Limits{MemoryMB: 5}, Files: []jobs.File{{Path: "a", Content: "x"}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, body := range []string{
		`{"script": null}`, `{"script": "s", "unknown": null}`, `{"script": "s", "files": [null]}`, `{"script": "s", "files": [{"path": "a", "content": null}]}`,
		`{"script": "s", "limits": {"cpu": null}}`, `{"script": "s", "args": null, "args": [1]}`,
	} {
		if got, err := parseRequest([]byte(body), l); err == nil {
			t.Errorf("%s: %+v", body, got)
		}
	}
}

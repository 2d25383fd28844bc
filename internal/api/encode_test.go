package api

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"safepy/internal/jobs"
)

// standard is what encoding/json alone makes of a document.
func standard(t testing.TB, document any) string {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(document); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func encoded(t testing.TB, document any) string {
	t.Helper()
	b, err := encodeDocument([]byte("before"), document)
	if err != nil {
		t.Fatal(err)
	}
	text, ok := strings.CutPrefix(string(b), "before")
	if !ok {
		t.Fatalf("what stood in the buffer is gone: %.40q", b)
	}
	return text
}

// FuzzAppendString: whatever a script prints, it is written as encoding/json would.
func FuzzAppendString(f *testing.F) {
	for _, s := range []string{
		"", "x", "12345678", "123456789", "a\"b\\c/d", "\x00\x01\x1f\x7f\x80\xff", "\b\f\n\r\t\v", "é世😀", "\u2028\u2029\u2027\u202a", "<a>&", "\ufffd",
		"1234567\xc3", "\xed\xa0\x80", strings.Repeat("plain ", 20) + "\n" + strings.Repeat("é", 20), "1234567\"12345678!!\"\"12345678", "!\x1f!!!!!! \x1f",
	} {
		f.Add(s)
	}
	for c := range 256 {
		f.Add("1234" + string([]byte{byte(c), byte(c) + 1}) + "56789012345")
	}
	f.Fuzz(func(t *testing.T, s string) {
		for shift := range 8 {
			s := strings.Repeat("x", shift) + s
			if got, want := string(appendString(nil, s)), strings.TrimSuffix(standard(t, s), "\n"); got != want {
				t.Fatalf("%q: %q, want %q", s, got, want)
			}
		}
	})
}

// TestDocumentsReadAsEncodingJSONWritesThem: small or large, checked or not.
func TestDocumentsReadAsEncodingJSONWritesThem(t *testing.T) {
	// Texts that look like the places where long ones are put in.
	trap := `"result":null,"stdout":"","stderr":""`
	texts := []string{"", "a < b & \"c\"\n", trap, strings.Repeat("é\u2028 <x>\n", 3000), strings.Repeat("x", largeText+1)}
	results := []string{"", "null", `{"b":1,"a":"<&>\u2028é","b":1.10}`, `[1, 2 , {"a" : "b  c"}]`, `"` + strings.Repeat("y", 2*largeText) + `"`}
	at := time.Unix(1700000000, 123456000).UTC()
	n := 0
	for _, result := range results {
		raw := json.RawMessage(nil)
		if result != "" {
			raw = json.RawMessage(result)
		}
		for _, stdout := range texts {
			for _, stderr := range texts {
				job := &jobs.Job{
					ID: "job-1", Status: jobs.Failed, Result: raw, Stdout: stdout, Stderr: stderr, Outputs: raw, Files: []jobs.ResultFile{{Path: "a", Content: &trap}},
					Error: &jobs.Error{Code: jobs.Exception, Message: trap}, Usage: &jobs.Usage{WallMS: 1.5}, CreatedAt: at, StartedAt: &at, Client: "ann",
				}
				small := executed{Result: raw, Stdout: stdout}
				failed := errorBody{Error: trap, Code: "timeout", Line: 3, Traceback: stderr, Stdout: stdout, Stderr: stderr}
				documents := []any{job, small, failed}
				if !strings.Contains(result, " ") && !strings.Contains(result, `\u2028 `) {
					checked := *job
					checked.ResultChecked = true
					small.checked = true
					documents = append(documents, &checked, small)
				}
				for _, d := range documents {
					n++
					if got, want := encoded(t, d), standard(t, d); got != want {
						t.Fatalf("%T, result %.20q, stdout %.20q, stderr %.20q:\n%.300q, want\n%.300q", d, result, stdout, stderr, got, want)
					}
				}
			}
		}
	}
	t.Log(n, "documents")
}

// TestLargeResultsAreCheckedToo: what nobody has checked is, however long it is.
func TestLargeResultsAreCheckedToo(t *testing.T) {
	long := strings.Repeat("x", 2*largeText)
	for _, result := range []string{`"` + long, `["` + long + `",NaN]`, long} {
		for _, d := range []any{&jobs.Job{Result: []byte(result)}, executed{Result: []byte(result)}} {
			if b, err := encodeDocument(nil, d); err == nil {
				t.Errorf("%T with %.20q became %.60q", d, result, b)
			}
		}
	}
}

func BenchmarkAppendString(b *testing.B) {
	for name, s := range map[string]string{
		"plain": strings.Repeat("x", 1<<20), "lines": strings.Repeat(strings.Repeat("x", 63)+"\n", 1<<14), "accents": strings.Repeat("déjà vu ", 1<<17),
	} {
		buffer := make([]byte, 0, 4<<20)
		b.Run(name+"/ours", func(b *testing.B) {
			b.SetBytes(int64(len(s)))
			for b.Loop() {
				appendString(buffer, s)
			}
		})
		b.Run(name+"/encoding-json", func(b *testing.B) {
			b.SetBytes(int64(len(s)))
			for b.Loop() {
				standard(b, s)
			}
		})
	}
}

package docs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// compare says how an answer differs from the one that the document shows. Where it does not, the ids in it become known.
func (s *session) compare(e example, got string) error {
	c := comparison{ids: maps.Clone(s.ids)}
	var err error
	switch e.kind {
	case "json":
		err = c.json(e.answer, got)
	case "http":
		err = c.http(e.answer, got)
	default:
		err = c.text(e.answer, got)
	}
	if err != nil {
		return fmt.Errorf("%w\ngot:\n%s", err, got)
	}
	s.ids = c.ids
	return nil
}

type comparison struct{ ids map[string]string }

// http compares the status, the headers that the document shows, and the body.
func (c *comparison) http(want, got string) error {
	wantHead, wantBody, _ := strings.Cut(want, "\n\n")
	gotHead, gotBody, _ := strings.Cut(strings.ReplaceAll(got, "\r\n", "\n"), "\n\n")
	wantLines, gotLines := strings.Split(strings.TrimSpace(wantHead), "\n"), strings.Split(gotHead, "\n")
	if wantLines[0] != gotLines[0] {
		return fmt.Errorf("status %q, want %q", gotLines[0], wantLines[0])
	}
	for _, header := range wantLines[1:] {
		name, _, _ := strings.Cut(header, ":")
		i := slices.IndexFunc(gotLines, func(l string) bool { return len(l) > len(name) && strings.EqualFold(l[:len(name)+1], name+":") })
		if i < 0 {
			return fmt.Errorf("no header %s", name)
		}
		if err := c.string(header, name+gotLines[i][len(name):]); err != nil {
			return err
		}
	}
	if strings.TrimSpace(wantBody) == "" {
		return nil
	}
	return c.json(wantBody, gotBody)
}

func (c *comparison) text(want, got string) error {
	wantLines, gotLines := strings.Split(strings.TrimSpace(want), "\n"), strings.Split(strings.TrimSpace(got), "\n")
	if len(wantLines) != len(gotLines) {
		return fmt.Errorf("%d lines, want %d", len(gotLines), len(wantLines))
	}
	for i := range wantLines {
		if err := c.string(wantLines[i], gotLines[i]); err != nil {
			return err
		}
	}
	return nil
}

func (c *comparison) json(want, got string) error {
	w, err := decode(want)
	if err != nil {
		return fmt.Errorf("the document's JSON: %w", err)
	}
	g, err := decode(got)
	if err != nil {
		return fmt.Errorf("no JSON: %w", err)
	}
	return c.value("", w, g)
}

// decode keeps numbers as they are written: 1.0 is not 1 here.
func decode(text string) (any, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON")
	}
	return v, nil
}

// measured are the fields that hold what a job took.
var measured = []string{"queue_ms", "setup_ms", "wall_ms", "cpu_ms", "memory_peak_bytes"}

func (c *comparison) value(at string, want, got any) error {
	switch w := want.(type) {
	case map[string]any:
		g, _ := got.(map[string]any)
		names := slices.Sorted(maps.Keys(w))
		if have := slices.Sorted(maps.Keys(g)); g == nil || !slices.Equal(names, have) {
			return fmt.Errorf("%s has the fields %v, want %v", at, have, names)
		}
		for _, name := range names {
			if err := c.value(at+"."+name, w[name], g[name]); err != nil {
				return err
			}
		}
		return nil
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return fmt.Errorf("%s is %v, want %v", at, got, want)
		}
		for i := range w {
			if err := c.value(fmt.Sprintf("%s[%d]", at, i), w[i], g[i]); err != nil {
				return err
			}
		}
		return nil
	case string:
		g, ok := got.(string)
		if !ok {
			return fmt.Errorf("%s is %v, want %q", at, got, w)
		}
		if err := c.string(w, g); err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
		return nil
	case json.Number:
		if _, number := got.(json.Number); number && slices.Contains(measured, at[strings.LastIndex(at, ".")+1:]) {
			return nil
		}
	}
	if want != got {
		return fmt.Errorf("%s is %v, want %v", at, got, want)
	}
	return nil
}

var (
	uuid = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	// varying is what differs from run to run, each with what stands for it.
	varying = []struct {
		pattern *regexp.Regexp
		mask    string
	}{
		{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z`), "TIME"},
		{regexp.MustCompile(`\d{16}_`), "MICROSECONDS_"},
		{regexp.MustCompile(`dur=[0-9.]+`), "dur=MS"},
		{regexp.MustCompile(`^Retry-After: \d+$`), "Retry-After: SECONDS"},
	}
)

// string compares two texts but for what varies. An id of the document must always stand for the same one.
func (c *comparison) string(want, got string) error {
	if w, g := masked(want), masked(got); w != g {
		return fmt.Errorf("got %q, want %q", got, want)
	}
	ours := uuid.FindAllString(got, -1)
	for i, theirs := range uuid.FindAllString(want, -1) {
		if known, ok := c.ids[theirs]; ok && known != ours[i] {
			return fmt.Errorf("got %q, want the job that %s stands for, which is %s", got, theirs, known)
		}
		c.ids[theirs] = ours[i]
	}
	return nil
}

func masked(text string) string {
	text = uuid.ReplaceAllString(text, "ID")
	for _, v := range varying {
		text = v.pattern.ReplaceAllString(text, v.mask)
	}
	return text
}

func TestCompare(t *testing.T) {
	const a, b = "01a2060b-4584-77ee-b947-a8d001288102", "01a2060b-458f-707b-96bc-6a22c9788106"
	for _, test := range []struct {
		name, kind, want, got string
		same                  bool
	}{
		{"id and time", "json", `{"id":"` + a + `","at":"2026-01-02T03:04:05.1Z"}`, `{"id":"` + b + `","at":"2027-01-02T03:04:05.123456Z"}`, true},
		{"ids mixed up", "json", `["` + a + `","` + a + `"]`, `["` + a + `","` + b + `"]`, false},
		{"measured", "json", `{"usage":{"wall_ms":1}}`, `{"usage":{"wall_ms":2.5}}`, true},
		{"measured and missing", "json", `{"usage":{"wall_ms":1}}`, `{"usage":{"wall_ms":null}}`, false},
		{"number", "json", `{"a":1}`, `{"a":1.0}`, false},
		{"field more", "json", `{"a":1}`, `{"a":1,"b":2}`, false},
		{"field less", "json", `{"a":1,"b":2}`, `{"a":1}`, false},
		{"element more", "json", `[1]`, `[1,2]`, false},
		{"no JSON", "json", `{}`, `{} {}`, false},
		{"headers", "http", "HTTP/1.1 200 OK\nA: 1\n\n{}", "HTTP/1.1 200 OK\r\nB: 2\r\nA: 1\r\n\r\n{}", true},
		{"header differs", "http", "HTTP/1.1 200 OK\nA: 1\n\n{}", "HTTP/1.1 200 OK\r\nA: 2\r\n\r\n{}", false},
		{"header missing", "http", "HTTP/1.1 200 OK\nA: 1\n\n{}", "HTTP/1.1 200 OK\r\n\r\n{}", false},
		{"status differs", "http", "HTTP/1.1 200 OK\n\n{}", "HTTP/1.1 202 Accepted\r\n\r\n{}", false},
		{"text", "text", "a\nb\n", "a\nc\n", false},
	} {
		s := &session{ids: map[string]string{}}
		if err := s.compare(example{kind: test.kind, answer: test.want}, test.got); (err == nil) != test.same {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

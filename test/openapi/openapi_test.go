package openapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"safepy/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m, 0) }

// TestDocument holds the description to the specification of OpenAPI.
func TestDocument(t *testing.T) {
	if ok, found := Read(t).document.ValidateDocument(); !ok {
		t.Error(said(found))
	}
}

// example is one of the description's.
type example struct {
	method, path string
	status       int // 0 for a request
	name         string
	value        json.RawMessage
	header       http.Header
}

// tree is a part of the description.
type tree = map[string]any

// examples are all of them; a body without any is a mistake.
func examples(t *testing.T, d *Description) (all []example) {
	t.Helper()
	var whole tree
	if err := json.Unmarshal(d.Text, &whole); err != nil {
		t.Fatal(err)
	}
	resolve := func(v any) tree {
		for {
			at, _ := v.(tree)
			to, ok := at["$ref"].(string)
			if !ok {
				return at
			}
			v = whole
			for part := range strings.SplitSeq(strings.TrimPrefix(to, "#/"), "/") {
				v = v.(tree)[part]
			}
		}
	}
	add := func(e example, body tree) {
		content, _ := body["content"].(tree)
		for kind, media := range content {
			named, _ := resolve(media)["examples"].(tree)
			if len(named) == 0 && kind == "application/json" && e.path != "/openapi.json" {
				t.Errorf("%s %s %d has no example", e.method, e.path, e.status)
			}
			for name, one := range named {
				value, err := json.Marshal(resolve(one)["value"])
				if err != nil {
					t.Fatal(err)
				}
				e := e
				e.name, e.value = name, value
				e.header = http.Header{"Content-Type": {kind}}
				headers, _ := body["headers"].(tree)
				for name, h := range headers {
					if example, ok := resolve(h)["example"]; ok {
						e.header.Set(name, fmt.Sprint(example))
					}
				}
				all = append(all, e)
			}
		}
	}
	for path, item := range whole["paths"].(tree) {
		for method, operation := range item.(tree) {
			if method == "parameters" {
				continue
			}
			e := example{method: strings.ToUpper(method), path: path}
			add(e, resolve(operation.(tree)["requestBody"]))
			for status, body := range operation.(tree)["responses"].(tree) {
				e.status, _ = strconv.Atoi(status)
				if method != "head" {
					add(e, resolve(body))
				}
			}
		}
	}
	return all
}

const id = "01a2060b-458f-707b-96bc-6a22c9788106"

func TestExamples(t *testing.T) {
	d := Read(t)
	all := examples(t, d)
	if len(all) < 60 {
		t.Fatalf("%d examples found", len(all))
	}
	for _, e := range all {
		to := &url.URL{Path: strings.ReplaceAll(e.path, "{id}", id)}
		var problems []string
		if e.status == 0 {
			r, err := http.NewRequestWithContext(t.Context(), e.method, to.Path, nil)
			if err != nil {
				t.Fatal(err)
			}
			problems = d.Request(r, e.value)
		} else {
			problems = d.Answer(e.method, to, e.status, e.header, e.value)
		}
		if len(problems) > 0 {
			t.Errorf("%s %s %d %s: %s\n%s", e.method, e.path, e.status, e.name, problems, e.value)
		}
	}
}

// TestExamplesRun sends the examples of requests, and compares the answers with the examples of the same name.
func TestExamplesRun(t *testing.T) {
	service := startStandalone(t)
	client := &http.Client{Timeout: harness.Patience, Transport: Transport(t, &http.Transport{DisableKeepAlives: true})}
	all := examples(t, Read(t))
	ran := 0
	for _, e := range all {
		if e.status != 0 {
			continue
		}
		ran++
		i := slices.IndexFunc(all, func(a example) bool {
			return a.status != 0 && a.path == e.path && a.method == e.method && a.name == e.name
		})
		if i < 0 {
			t.Errorf("%s %s has no answer to the example %s", e.method, e.path, e.name)
			continue
		}
		answer, err := client.Post(service.URL+e.path, "application/json", bytes.NewReader(e.value))
		if err != nil {
			t.Fatal(err)
		}
		var got, want any
		err = json.NewDecoder(answer.Body).Decode(&got)
		answer.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(all[i].value, &want); err != nil {
			t.Fatal(err)
		}
		if got, want := still(got), still(want); answer.StatusCode != all[i].status || !reflect.DeepEqual(got, want) {
			t.Errorf("%s %s %s: %d %v\nwant %d %v", e.method, e.path, e.name, answer.StatusCode, got, all[i].status, want)
		}
	}
	if ran < 5 {
		t.Errorf("%d examples ran", ran)
	}
	for _, path := range []string{"/jobs?limit=1&status=completed", "/capabilities", "/health", "/ready", "/metrics", "/openapi.json"} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			r, err := http.NewRequestWithContext(t.Context(), method, service.URL+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			if answer.StatusCode != http.StatusOK {
				t.Errorf("%s %s: %s", method, path, answer.Status)
			}
		}
	}
}

// still leaves out what differs from run to run, and how tracebacks of one Python differ from another's.
func still(v any) any {
	switch v := v.(type) {
	case tree:
		for _, name := range []string{"id", "created_at", "traceback"} {
			delete(v, name)
		}
		for name, one := range v {
			v[name] = still(one)
		}
	case []any:
		for i, one := range v {
			v[i] = still(one)
		}
	}
	return v
}

func startStandalone(t *testing.T) *harness.Service {
	t.Helper()
	_, nsjail := exec.LookPath("nsjail")
	if _, bwrap := exec.LookPath("bwrap"); nsjail != nil && bwrap != nil {
		t.Skip("neither nsjail nor bwrap is on PATH (Debian: apt-get install bubblewrap)")
	}
	return harness.StartStandalone(t)
}

// TestNotices: what is not as described is seen.
func TestNotices(t *testing.T) {
	d := Read(t)
	header := func(more ...string) http.Header {
		h := http.Header{"Content-Type": {"application/json"}, "X-Request-Id": {"x"}}
		for i := 0; i < len(more); i += 2 {
			h.Set(more[i], more[i+1])
		}
		return h
	}
	for name, c := range map[string]struct {
		method, path string
		status       int
		header       http.Header
		body         string
		ok           bool
	}{
		"right":                     {"POST", "/execute", 200, header(), `{"result": {"any": 1}, "stdout": ""}`, true},
		"right list":                {"POST", "/execute", 200, header(), `{"result": [{"any": [{"thing": 1}]}], "stdout": ""}`, true},
		"right odd names":           {"POST", "/execute", 200, header(), `{"result": {"any.thing": {"/x": 1}}, "stdout": ""}`, true},
		"an unknown odd field":      {"POST", "/execute", 200, header(), `{"result": 1, "stdout": "", "a.b": 1}`, false},
		"an unknown field":          {"POST", "/execute", 200, header(), `{"result": 1, "stdout": "", "stdin": ""}`, false},
		"a field is missing":        {"POST", "/execute", 200, header(), `{"result": 1}`, false},
		"another type":              {"POST", "/execute", 200, header(), `{"result": 1, "stdout": null}`, false},
		"an unknown code":           {"POST", "/execute", 400, header(), `{"error": "x", "code": "odd"}`, false},
		"an unknown status":         {"POST", "/execute", 418, header(), `{"error": "x", "code": "internal"}`, false},
		"an unknown header":         {"POST", "/execute", 200, header("X-Odd", "1"), `{"result": 1, "stdout": ""}`, false},
		"a header is missing":       {"GET", "/health", 200, http.Header{"Content-Type": {"application/json"}}, `{"status": "healthy"}`, false},
		"another media type":        {"GET", "/health", 200, http.Header{"Content-Type": {"text/html"}, "X-Request-Id": {"x"}}, `{"status": "healthy"}`, false},
		"a place with an odd field": {"POST", "/jobs/batch", 202, header(), `{"jobs": [{"error": "x", "code": "internal", "odd": 1}]}`, false},
		"a place without a code":    {"POST", "/jobs/batch", 202, header(), `{"jobs": [{"error": "x"}]}`, false},
		"an unknown route":          {"GET", "/nowhere", 200, header(), `{}`, false},
	} {
		if problems := d.Answer(c.method, &url.URL{Path: c.path}, c.status, c.header, []byte(c.body)); (len(problems) == 0) != c.ok {
			t.Errorf("%s: %s", name, problems)
		}
	}
	for body, ok := range map[string]bool{
		`{"script": "x", "args": {"a": {"b": 1}}, "files": null}`: true, `{"script": "x", "odd": 1}`: false, `{}`: false, `{"script": 1}`: false,
		`{"script": "x", "limits": {"timeout_ms": 0}}`: false, `{"script": "x", "files": [{"path": "a"}]}`: false, `{"script": "x", "priority": "urgent"}`: false,
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/execute", nil)
		if err != nil {
			t.Fatal(err)
		}
		if problems := d.Request(r, []byte(body)); (len(problems) == 0) != ok {
			t.Errorf("%s: %s", body, problems)
		}
	}
}

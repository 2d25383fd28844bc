// Package openapi holds what goes over the wire to the service's own description of it, internal/api/openapi.json: a transport for the clients
// of other tests looks at every request and every answer.
package openapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	"github.com/pb33f/libopenapi-validator/errors"

	"safepy/test/harness"
)

// Description is the service's, read strictly: fields, parameters and headers that it does not name are mistakes, too.
type Description struct {
	Text     []byte
	document validator.Validator
	requests validator.Validator
	answers  validator.Validator
}

// free is what scripts and their senders fill as they like.
var free = []string{
	"$.body.args.**", "$.body.result.**", "$.body.cases[*].args.**", "$.body.cases[*].result.**", "$.body.cases[*].expect.result.**", "$.body.jobs[*].args.**", "$.body.jobs[*].result.**", "$.body.jobs[*].cases[*].result.**",
	"$.body.outputs[*].data.**", "$.body.outputs[*].metadata.**", "$.body.cases[*].outputs[*].**", "$.body.jobs[*].outputs[*].**",
	"$.body.workers[*].capabilities.cgroups.**", "$.body.workers[*].capabilities.limits.**",
	"$.body.workers[*].capabilities.versions.**", "$.body.workers[*].capabilities.distributions.**",
	// The description itself has a specification of its own, to which TestDocument holds it.
	"$.body.info.**", "$.body.paths.**", "$.body.components.**", "$.body.servers[*].**", "$.body.security[*].**", "$.body.tags[*].**",
}

// oddName is a complaint about a name in there that the patterns above do not reach, since it is no plain word.
var oddName = regexp.MustCompile(`property .* at '\$\.body\.\S*\b(?:args|result|versions|distributions|paths|components)\b\S*\['`)

// ofHTTP are the headers that are net/http's to write.
var ofHTTP = []string{"Connection", "Content-Length", "Content-Type", "Date", "Transfer-Encoding"}

var load = sync.OnceValues(func() (*Description, error) {
	root, err := harness.Root()
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(root, "internal/api/openapi.json"))
	if err != nil {
		return nil, err
	}
	return parse(text)
})

func parse(text []byte) (*Description, error) {
	d := &Description{Text: text}
	for into, options := range map[*validator.Validator][]config.Option{
		&d.document: {},
		&d.requests: {config.WithStrictMode(), config.WithFormatAssertions(), config.WithStrictIgnorePaths(free...)},
		&d.answers: {config.WithStrictMode(), config.WithFormatAssertions(), config.WithStrictIgnorePaths(free...),
			config.WithStrictIgnoredHeaders(ofHTTP...)},
	} {
		document, err := libopenapi.NewDocument(text)
		if err != nil {
			return nil, err
		}
		made, errs := validator.NewValidator(document, options...)
		if len(errs) > 0 {
			return nil, errs[0]
		}
		*into = made
	}
	return d, nil
}

// Read returns the description in the repository.
func Read(t testing.TB) *Description {
	t.Helper()
	d, err := load()
	if err != nil {
		t.Fatalf("internal/api/openapi.json: %v", err)
	}
	return d
}

// Transport is next with a look at everything that passes; what is not as described is an error of the test.
func Transport(t testing.TB, next http.RoundTripper) http.RoundTripper {
	return &transport{t: t, next: next, description: Read(t)}
}

type transport struct {
	t           testing.TB
	next        http.RoundTripper
	description *Description
}

func (w *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	var sent []byte
	if r.Body != nil {
		var err error
		if sent, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r.Body.Close()
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(sent))
	}
	answer, err := w.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if err != nil {
		return nil, err
	}
	answer.Body = io.NopCloser(bytes.NewReader(got))
	for _, problem := range w.description.Exchange(r, sent, answer, got) {
		w.t.Errorf("%s %s, answered %d, is not as openapi.json has it: %s\nsent %.300s\nanswered %v %.600s",
			r.Method, r.URL.Path, answer.StatusCode, problem, sent, answer.Header, got)
	}
	return answer, nil
}

// Exchange says what of a request and its answer is not as described. A request that was refused as wrong need not be.
func (d *Description) Exchange(r *http.Request, sent []byte, answer *http.Response, got []byte) (problems []string) {
	var refusal struct{ Code string }
	_ = json.Unmarshal(got, &refusal)
	if refusal.Code == "method_not_allowed" || refusal.Code == "not_found" && !strings.HasPrefix(r.URL.Path, "/jobs/") {
		return unknownRoute(r, answer, got)
	}
	problems = d.Answer(r.Method, r.URL, answer.StatusCode, answer.Header, plain(got))
	wrong := slices.Contains([]string{"invalid_request", "too_large", "unsupported_encoding", "request_timeout"}, refusal.Code) ||
		r.URL.Path == "/jobs/batch" && bytes.Contains(got, []byte(`"code":"invalid_request"`)) // of a job, in its place
	if !wrong {
		problems = append(problems, d.Request(r, plain(sent))...)
	}
	return problems
}

// longNumber is one that the service takes and gives digit by digit, and that the validator has no room for.
var longNumber = regexp.MustCompile(`\d{300,}`)

// plain leaves out what JSON may have and the validator cannot read.
func plain(body []byte) []byte {
	return longNumber.ReplaceAll(bytes.TrimPrefix(body, []byte("\ufeff")), []byte("1"))
}

// Answer says what of an answer is not as described.
func (d *Description) Answer(method string, to *url.URL, status int, header http.Header, body []byte) []string {
	answer := &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body))}
	_, found := d.answers.ValidateHttpResponse(&http.Request{Method: method, URL: to, Header: http.Header{}}, answer)
	return said(found)
}

// Request says what of a request is not as described, but for its Content-Type, which the service does not mind.
func (d *Description) Request(r *http.Request, body []byte) []string {
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	if len(body) > 0 {
		r.Header.Set("Content-Type", "application/json")
	}
	_, found := d.requests.ValidateHttpRequestSync(r)
	return said(found)
}

// unknownRoute looks at what the description has no route for: it says so of all of them at once.
func unknownRoute(r *http.Request, answer *http.Response, got []byte) (problems []string) {
	var body map[string]string
	if err := json.Unmarshal(got, &body); err != nil || len(body) != 2 || body["error"] == "" {
		problems = append(problems, "an error has error and code")
	}
	want := map[string]int{"not_found": http.StatusNotFound, "method_not_allowed": http.StatusMethodNotAllowed}[body["code"]]
	if answer.StatusCode != want || (answer.Header.Get("Allow") != "") != (want == http.StatusMethodNotAllowed) {
		problems = append(problems, fmt.Sprintf("%s is %d, with Allow where that is 405", body["code"], want))
	}
	return problems
}

func said(found []*errors.ValidationError) (all []string) {
	for _, e := range found {
		if oddName.MatchString(e.Message) {
			continue
		}
		text := e.Message + ": " + e.Reason
		for _, s := range e.SchemaValidationErrors {
			text += fmt.Sprintf("; %s %s", s.FieldPath, s.Reason)
		}
		all = append(all, text)
	}
	return all
}

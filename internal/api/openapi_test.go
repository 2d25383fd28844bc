package api

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"safepy/internal/jobs"
)

// described is what these tests read of the document.
type described struct {
	OpenAPI    string                                `json:"openapi"`
	Paths      map[string]map[string]json.RawMessage `json:"paths"`
	Components struct {
		Schemas map[string]describedSchema `json:"schemas"`
	} `json:"components"`
}

type describedSchema struct {
	Properties map[string]json.RawMessage `json:"properties"`
	Enum       []string                   `json:"enum"`
	Required   []string                   `json:"required"`
}

func readOpenAPI(t *testing.T) (d described) {
	t.Helper()
	if err := json.Unmarshal(openAPI, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestOpenAPIIsServed(t *testing.T) {
	s := serve(t)
	a := s.do("GET", "/openapi.json", "").want(200)
	if !bytes.Equal(a.body, openAPI) || a.Header.Get("Content-Type") != "application/json" || a.ContentLength != int64(len(openAPI)) {
		t.Errorf("%d bytes, headers %v", len(a.body), a.Header)
	}
	if a := s.do("HEAD", "/openapi.json", "").want(200); len(a.body) > 0 || a.ContentLength != int64(len(openAPI)) {
		t.Errorf("HEAD: %d bytes, headers %v", len(a.body), a.Header)
	}
	if d := readOpenAPI(t); !strings.HasPrefix(d.OpenAPI, "3.1.") {
		t.Errorf("openapi %q", d.OpenAPI)
	}
}

// TestOpenAPIRoutes: what is routed is described, and the other way round.
func TestOpenAPIRoutes(t *testing.T) {
	var routed, named []string
	for _, r := range New(newFakeQueue(), testOptions(t)).echo.Routes() {
		routed = append(routed, r.Method+" "+regexp.MustCompile(`:(\w+)`).ReplaceAllString(r.Path, "{$1}"))
	}
	for path, operations := range readOpenAPI(t).Paths {
		for method := range operations {
			if method != "parameters" {
				named = append(named, strings.ToUpper(method)+" "+path)
			}
		}
	}
	same(t, "routes", routed, named)
}

// TestOpenAPICodes: the enums of codes are those of the sources.
func TestOpenAPICodes(t *testing.T) {
	d := readOpenAPI(t)
	ofJobs := constants(t, "../jobs/job.go", "Code")
	same(t, "codes of a job", ofJobs, d.Components.Schemas["JobErrorCode"].Enum)
	codes := constants(t, "errors.go", "code") // codeInternal is a job's as well, and written as that
	same(t, "CaseStatus", constants(t, "../jobs/case.go", "CaseStatus"), d.Components.Schemas["CaseStatus"].Enum)
	same(t, "codes", append(codes, ofJobs...), d.Components.Schemas["ErrorCode"].Enum)
	for schema, typeName := range map[string]string{"Status": "Status", "Mode": "Mode", "TimeLimit": "TimeLimit", "Priority": "Priority", "Reason": "Reason"} {
		same(t, schema, constants(t, "../jobs/job.go", typeName), d.Components.Schemas[schema].Enum)
	}
}

// constants are the strings that a file declares with a type of this name, or, for a small letter, under names that begin so.
func constants(t *testing.T, path, name string) (values []string) {
	t.Helper()
	ast.Inspect(parse(t, path), func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		kind, _ := spec.Type.(*ast.Ident)
		text, ok := spec.Values[0].(*ast.BasicLit)
		if ok && (kind != nil && kind.Name == name || kind == nil && ast.IsExported(name) == ast.IsExported(spec.Names[0].Name) &&
			strings.HasPrefix(spec.Names[0].Name, name)) {
			value, err := strconv.Unquote(text.Value)
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, value)
		}
		return true
	})
	if len(values) == 0 {
		t.Fatalf("%s declares no %s", path, name)
	}
	return values
}

func parse(t *testing.T, path string) *ast.File {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// TestOpenAPIRequestFields: what the decoder knows is described, and the other way round.
func TestOpenAPIRequestFields(t *testing.T) {
	d := readOpenAPI(t)
	for schema, decoder := range map[string][2]string{
		"Request": {"request.go", "parseRequest"}, "Limits": {"request.go", "parseLimits"}, "File": {"request.go", "parseFile"},
		"Case": {"cases.go", "parseCase"}, "Expect": {"cases.go", "parseExpect"},
	} {
		same(t, "fields of "+schema, decoded(t, decoder[0], decoder[1]), slices.Collect(maps.Keys(d.Components.Schemas[schema].Properties)))
	}
}

// decoded are the names of fields for which a decoder's switch has a case.
func decoded(t *testing.T, path, decoder string) (fields []string) {
	t.Helper()
	for _, declaration := range parse(t, path).Decls {
		f, ok := declaration.(*ast.FuncDecl)
		if !ok || f.Name.Name != decoder {
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			s, ok := n.(*ast.SwitchStmt)
			if !ok {
				return true
			}
			if tag, ok := s.Tag.(*ast.SelectorExpr); !ok || tag.Sel.Name != "name" {
				return true
			}
			for _, clause := range s.Body.List {
				for _, e := range clause.(*ast.CaseClause).List {
					name, err := strconv.Unquote(e.(*ast.BasicLit).Value)
					if err != nil {
						t.Fatal(err)
					}
					if !slices.Contains(fields, name) {
						fields = append(fields, name)
					}
				}
			}
			return true
		})
	}
	if len(fields) == 0 {
		t.Fatalf("%s decodes nothing", decoder)
	}
	return fields
}

// TestOpenAPIAnswerFields: the documents that are sent have the fields that are described; what may be left out is not required.
func TestOpenAPIAnswerFields(t *testing.T) {
	d := readOpenAPI(t)
	for schema, document := range map[string]any{
		"Job": jobs.Job{}, "JobError": jobs.Error{}, "Truncated": jobs.Truncated{}, "CaseOutcome": jobs.CaseOutcome{}, "Summary": jobs.Summary{}, "ResultFile": jobs.ResultFile{}, "Usage": jobs.Usage{},
		"JobSummary": summary{}, "JobPage": page{}, "Error": errorBody{}, "Executed": executed{}, "Capabilities": capabilities{},
		"RequestLimits": limitsBody{}, "Room": jobs.Room{}, "Worker": jobs.Worker{}, "Health": status{}, "Readiness": status{},
	} {
		var fields, always []string
		for f := range reflect.TypeOf(document).Fields() {
			name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "" || name == "-" {
				continue
			}
			if fields = append(fields, name); options == "" {
				always = append(always, name)
			}
		}
		same(t, "fields of "+schema, fields, slices.Collect(maps.Keys(d.Components.Schemas[schema].Properties)))
		same(t, "fields that are always in "+schema, always, d.Components.Schemas[schema].Required)
	}
}

func same(t *testing.T, what string, code, document []string) {
	t.Helper()
	for _, name := range code {
		if !slices.Contains(document, name) {
			t.Errorf("%s: %q is not in openapi.json", what, name)
		}
	}
	for _, name := range document {
		if !slices.Contains(code, name) {
			t.Errorf("%s: openapi.json has %q, which there is not", what, name)
		}
	}
}

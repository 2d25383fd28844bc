package docs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"safepy/test/harness"
)

// TestConversions sends each row of the table of results to the service.
func TestConversions(t *testing.T) {
	_, section, found := strings.Cut(read(t, "docs/api.md"), "<!-- conversions -->")
	if !found {
		t.Fatal("docs/api.md has no table of conversions")
	}
	_, section, _ = strings.Cut(section, "```python\n")
	prelude, section, _ := strings.Cut(section, "```\n")
	section, _, _ = strings.Cut(section, "\n\n- ")
	rows := regexp.MustCompile("(?m)^\\| `(.+)` \\| `(.+)` \\|$").FindAllStringSubmatch(section, -1)
	if len(rows) < 30 {
		t.Fatalf("%d rows of conversions found", len(rows))
	}
	_, nsjail := exec.LookPath("nsjail")
	if _, bwrap := exec.LookPath("bwrap"); nsjail != nil && bwrap != nil {
		t.Skip("neither nsjail nor bwrap is on PATH (Debian: apt-get install bubblewrap)")
	}
	service := harness.StartStandalone(t)
	client := &http.Client{Timeout: harness.Patience, Transport: &http.Transport{DisableKeepAlives: true}}
	for _, row := range rows {
		body, err := json.Marshal(map[string]string{"script": prelude + "\ndef main():\n    return " + row[1] + "\n"})
		if err != nil {
			t.Fatal(err)
		}
		answer, err := client.Post(service.URL+"/execute", "application/json", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		_, err = got.ReadFrom(answer.Body)
		answer.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		// Byte for byte: a number is shown with the digits that it is sent with.
		if want := `{"result":` + row[2] + `,"stdout":""}` + "\n"; got.String() != want {
			t.Errorf("%s: got %swant %s", row[1], got.String(), want)
		}
	}
}

// TestSettings compares the README's tables with deploy/example.env, which a test of the configuration holds to the code.
func TestSettings(t *testing.T) {
	readme := read(t, "README.md")
	settings := regexp.MustCompile(`(?m)^#?([A-Z_]+)=(.*)$`).FindAllStringSubmatch(read(t, "deploy/example.env"), -1)
	if len(settings) < 30 {
		t.Fatalf("%d settings found", len(settings))
	}
	for _, s := range settings {
		shown := "`" + s[2] + "`"
		if s[2] == "" {
			shown = "none"
		}
		if row := fmt.Sprintf("\n| `%s` | %s | ", s[1], shown); !strings.Contains(readme, row) {
			t.Errorf("README.md has no row %q", strings.TrimSpace(row))
		}
	}
	for _, row := range regexp.MustCompile("(?m)^\\| `([A-Z_]{3,})` \\|").FindAllStringSubmatch(readme, -1) {
		if !slices.ContainsFunc(settings, func(s []string) bool { return s[1] == row[1] }) {
			t.Errorf("README.md has a row for %s, which is no setting", row[1])
		}
	}
}

// TestErrorCodes compares the closed list of codes in docs/api.md with those in the sources.
func TestErrorCodes(t *testing.T) {
	codes := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\t\w+ +Code = "(\w+)"`).FindAllStringSubmatch(read(t, "internal/jobs/job.go"), -1) {
		codes[m[1]] = true
	}
	for _, m := range regexp.MustCompile(`(?m)^\tcode\w+ += "(\w+)"`).FindAllStringSubmatch(read(t, "internal/api/errors.go"), -1) {
		codes[m[1]] = true
	}
	if len(codes) < 20 {
		t.Fatalf("%d codes found", len(codes))
	}
	_, list, _ := strings.Cut(read(t, "docs/api.md"), "\n## Every error code\n")
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| \\d{3}(?:, \\d{3})* \\|").FindAllStringSubmatch(list, -1) {
		if !codes[row[1]] {
			t.Errorf("docs/api.md lists the code %s, which there is not", row[1])
		}
		delete(codes, row[1])
	}
	for code := range codes {
		t.Errorf("docs/api.md does not list the code %s", code)
	}
}

var documents = []string{"README.md", "ARCHITECTURE.md", "CHANGELOG.md", "SECURITY.md", "docs/api.md"}

// TestLinks follows what the documents point to inside the repository: files, headings and make targets.
func TestLinks(t *testing.T) {
	root, err := harness.Root()
	if err != nil {
		t.Fatal(err)
	}
	makefile := read(t, "Makefile")
	for _, document := range documents {
		text := read(t, document)
		for _, m := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(text, -1) {
			path, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(path, "://") {
				continue
			}
			target := text
			if path != "" {
				content, err := os.ReadFile(filepath.Join(root, filepath.Dir(document), path))
				if err != nil {
					t.Errorf("%s points to %s: %v", document, m[1], err)
					continue
				}
				target = string(content)
			}
			if anchor != "" && !slices.Contains(anchors(target), anchor) {
				t.Errorf("%s points to %s, and there is no such heading", document, m[1])
			}
		}
		for _, m := range regexp.MustCompile("(?m)(?:^    |`)make ([a-z]+)\\b").FindAllStringSubmatch(text, -1) {
			if !strings.Contains(makefile, "\n"+m[1]+":") {
				t.Errorf("%s names make %s, which there is not", document, m[1])
			}
		}
	}
}

// anchors are the names that a document's headings have as links.
func anchors(text string) []string {
	var names []string
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(text, -1) {
		name := regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		names = append(names, strings.ReplaceAll(name, " ", "-"))
	}
	return names
}

// TestLayout looks for every package in the README's list and in ARCHITECTURE.md, and holds the imports to the rule that both state.
func TestLayout(t *testing.T) {
	root, err := harness.Root()
	if err != nil {
		t.Fatal(err)
	}
	_, layout, _ := strings.Cut(read(t, "README.md"), "\n## Layout\n")
	architecture := read(t, "ARCHITECTURE.md")
	for _, pattern := range []string{"cmd/*", "internal/*"} {
		dirs, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(dirs) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, dir := range dirs {
			name := filepath.Base(dir)
			if strings.HasPrefix(pattern, "cmd/") {
				name = "cmd/" + name
			}
			if !regexp.MustCompile(`(?m)^ +` + name + ` `).MatchString(layout) {
				t.Errorf("the README's layout does not name %s", name)
			}
			if !strings.Contains(architecture, "`"+name+"`") {
				t.Errorf("ARCHITECTURE.md does not name %s", name)
			}
		}
	}

	list := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./internal/...")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	forbidden := map[string][]string{
		"safepy/internal/api":  {"safepy/internal/jail", "safepy/internal/worker"},
		"safepy/internal/jobs": {"safepy/internal/jail", "safepy/internal/api", "safepy/internal/worker", "safepy/internal/config"},
		"safepy/internal/jail": {"safepy/internal/jobs", "safepy/internal/api", "safepy/internal/worker", "safepy/internal/config"},
	}
	for line := range strings.Lines(string(out)) {
		imports := strings.Fields(line)
		for _, name := range forbidden[imports[0]] {
			if slices.Contains(imports[1:], name) {
				t.Errorf("%s imports %s", imports[0], name)
			}
		}
	}
}

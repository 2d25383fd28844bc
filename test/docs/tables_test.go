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
	"strconv"
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

// TestSettings compares the tables of docs/configuration.md with deploy/example.env, which a test of the configuration holds to the code,
// and the README's table of limits with both.
func TestSettings(t *testing.T) {
	const document = "docs/configuration.md"
	configuration := read(t, document)
	settings := regexp.MustCompile(`(?m)^#?([A-Z_]+)=(.*)$`).FindAllStringSubmatch(read(t, "deploy/example.env"), -1)
	if len(settings) < 30 {
		t.Fatalf("%d settings found", len(settings))
	}
	defaults := map[string]string{}
	for _, s := range settings {
		shown := "`" + s[2] + "`"
		if s[2] == "" {
			shown = "none"
		}
		defaults[s[1]] = shown
		if row := fmt.Sprintf("\n| `%s` | %s | ", s[1], shown); !strings.Contains(configuration, row) {
			t.Errorf("%s has no row %q", document, strings.TrimSpace(row))
		}
	}
	for _, row := range regexp.MustCompile("(?m)^\\| `([A-Z_]{3,})` \\|").FindAllStringSubmatch(configuration, -1) {
		if defaults[row[1]] == "" {
			t.Errorf("%s has a row for %s, which is no setting", document, row[1])
		}
	}

	// Here a row may have several settings: their defaults and their names stand in the same order, each with a ; between.
	rows := regexp.MustCompile("(?m)^\\| .+ \\| (`.+) \\| (`[A-Z_]{3,}`.*) \\|$").FindAllStringSubmatch(read(t, "README.md"), -1)
	if len(rows) < 8 {
		t.Fatalf("%d rows of limits found in README.md", len(rows))
	}
	for _, row := range rows {
		shown := strings.Split(row[1], "; ")
		for i, name := range strings.Split(row[2], "; ") {
			if want := defaults[strings.Trim(name, "`")]; want == "" || shown[i] != want {
				t.Errorf("README.md gives %s the default %s, and it has %q", name, shown[i], want)
			}
		}
	}
}

// TestFrontDoor holds the README to its length and its figures to where they come from.
func TestFrontDoor(t *testing.T) {
	readme := read(t, "README.md")
	if lines := strings.Count(readme, "\n"); lines > 200 {
		t.Errorf("README.md has %d lines; it is a front door of at most 200, and docs/ has the rooms", lines)
	}
	figures := func(pattern, text string) []string {
		found := regexp.MustCompile(pattern).FindStringSubmatch(text)
		if found == nil {
			t.Fatalf("nothing matches %q", pattern)
		}
		return found[1:]
	}

	said := figures(`answered in ([\d.]+) ms;\s+with a fresh Python in the same sandbox it takes ([\d.]+) ms`, readme)
	measured := figures(`(?m)^\| pandas \| 1 \| ([\d.]+) \| [\d.]+ \| [\d.]+ \| [\d.]+ \| ([\d.]+) \|`, read(t, "docs/performance.md"))
	for i := range said {
		// As many digits as the README gives.
		_, digits, _ := strings.Cut(said[i], ".")
		value, err := strconv.ParseFloat(measured[i], 64)
		if err != nil {
			t.Fatal(err)
		}
		if want := strconv.FormatFloat(value, 'f', len(digits), 64); said[i] != want {
			t.Errorf("README.md says %s ms for pandas where docs/performance.md has %s", said[i], measured[i])
		}
	}
	codes := len(errorCodes(t))
	if said := figures(`one of (\d+) codes`, readme)[0]; said != strconv.Itoa(codes) {
		t.Errorf("README.md says %s codes, and there are %d", said, codes)
	}
}

// TestWalls counts the walls that a worker tries.
func TestWalls(t *testing.T) {
	_, nsjail := exec.LookPath("nsjail")
	if _, bwrap := exec.LookPath("bwrap"); nsjail != nil && bwrap != nil {
		t.Skip("neither nsjail nor bwrap is on PATH (Debian: apt-get install bubblewrap)")
	}
	program, err := harness.Binary("worker")
	if err != nil {
		t.Fatal(err)
	}
	probe := exec.Command(program, "probe")
	probe.Env = append(os.Environ(), "JAIL_ISOLATION=auto")
	out, err := probe.Output()
	if err != nil {
		t.Fatalf("worker probe: %v: %s", err, out)
	}
	_, table, _ := strings.Cut(string(out), "\nWALL ")
	table, _, _ = strings.Cut(table, "\n\n")
	walls := strings.Count(table, "\n")
	for _, document := range []string{"README.md", "SECURITY.md"} {
		if said := fmt.Sprintf(" %d walls", walls); !strings.Contains(read(t, document), said) {
			t.Errorf("%s does not say%s, which is what worker probe tries", document, said)
		}
	}
}

// TestErrorCodes compares the closed list of codes in docs/api.md with those in the sources.
func TestErrorCodes(t *testing.T) {
	codes := errorCodes(t)
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

// errorCodes are those in the sources.
func errorCodes(t *testing.T) map[string]bool {
	t.Helper()
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
	return codes
}

// TestLinks follows what the documents point to inside the repository: files, headings and make targets.
func TestLinks(t *testing.T) {
	root, err := harness.Root()
	if err != nil {
		t.Fatal(err)
	}
	makefile := read(t, "Makefile")
	for _, document := range documents(t) {
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

// TestMetrics looks in the sources for every metric that the documents name.
func TestMetrics(t *testing.T) {
	sources := read(t, "internal/api/metrics.go") + read(t, "internal/worker/metrics.go")
	for _, document := range documents(t) {
		for _, name := range regexp.MustCompile(`\bsafepy_[a-z_]+`).FindAllString(read(t, document), -1) {
			if !strings.Contains(sources, `"`+name+`"`) {
				t.Errorf("%s names the metric %s, which there is not", document, name)
			}
		}
	}
}

// TestLayout looks for every package in ARCHITECTURE.md's tree and table, and holds the imports to the rule that it states.
func TestLayout(t *testing.T) {
	root, err := harness.Root()
	if err != nil {
		t.Fatal(err)
	}
	architecture := read(t, "ARCHITECTURE.md")
	_, layout, _ := strings.Cut(architecture, "\n## The tree\n")
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
				t.Errorf("ARCHITECTURE.md's tree does not name %s", name)
			}
			if !strings.Contains(architecture, "`"+name+"`") {
				t.Errorf("ARCHITECTURE.md's table of packages does not name %s", name)
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

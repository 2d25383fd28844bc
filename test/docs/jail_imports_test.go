package docs

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"safepy/test/harness"
)

// TestJailImports: the jail's toolkits know nothing of jobs, of one another but for what stands here, or of anything else of ours; what they
// take away from a process is for the jail to decide.
func TestJailImports(t *testing.T) {
	const jail = "safepy/internal/jail"
	allowed := map[string][]string{
		jail: {
			jail + "/seccomp", jail + "/procfs", jail + "/cgroup", jail + "/diskquota", jail + "/launch",
			"safepy/internal/gopool", "safepy/internal/jobpath", "safepy/internal/jsondepth",
		},
		jail + "/seccomp":   {},
		jail + "/procfs":    {},
		jail + "/cgroup":    {jail + "/procfs"},
		jail + "/diskquota": {jail + "/procfs"},
		jail + "/launch":    {jail + "/seccomp"},
	}
	root, err := harness.Root()
	if err != nil {
		t.Fatal(err)
	}
	list := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./internal/jail/...")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	found := 0
	for line := range strings.Lines(string(out)) {
		name, imports, _ := strings.Cut(strings.TrimSpace(line), " ")
		may, known := allowed[name]
		if !known {
			t.Errorf("%s: which packages of ours it may import is not said here", name)
			continue
		}
		found++
		for _, path := range strings.Fields(imports) {
			if strings.HasPrefix(path, "safepy/") && !slices.Contains(may, path) {
				t.Errorf("%s imports %s", name, path)
			}
		}
	}
	if found != len(allowed) {
		t.Errorf("%d of the packages named here are there, of %d", found, len(allowed))
	}
}

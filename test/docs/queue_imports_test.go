package docs

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"safepy/test/harness"
)

// TestQueueImports: the queue's packages know of ours only what stands here. What connects to Redis knows nothing of jobs.
func TestQueueImports(t *testing.T) {
	const internal = "safepy/internal/"
	allowed := map[string][]string{
		"jobs":             {"jobs/asynqscript", "redisconn", "gopool", "verdict"},
		"jobs/asynqscript": {},
		"redisconn":        {},
		"gopool":           {},
		"jsondepth":        {},
		"verdict":          {},
		"localredis":       {"redisconn"},
	}
	root, err := harness.Root()
	if err != nil {
		t.Fatal(err)
	}
	for name, may := range allowed {
		list := exec.Command("go", "list", "-f", `{{join .Imports " "}}`, internal+name)
		list.Dir = root
		out, err := list.Output()
		if err != nil {
			t.Errorf("go list %s: %v", name, err)
			continue
		}
		for _, path := range strings.Fields(string(out)) {
			if ours, ok := strings.CutPrefix(path, internal); strings.HasPrefix(path, "safepy/") && (!ok || !slices.Contains(may, ours)) {
				t.Errorf("%s imports %s", name, path)
			}
		}
	}
}

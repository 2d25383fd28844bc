// Package docs holds the documents to their word: it runs the examples of README.md and docs/api.md against the real programs and
// compares the answers, and it looks for the settings, error codes, packages, make targets and links that they name. Ids, times and
// measurements differ from run to run and are masked; nothing else is.
package docs

import (
	"os"
	"path/filepath"
	"testing"

	"safepy/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m, 0) }

// withExamples are the documents whose examples are run.
var withExamples = []string{"README.md", "docs/api.md"}

// read returns a file of the repository.
func read(t *testing.T, name string) string {
	t.Helper()
	root, err := harness.Root()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

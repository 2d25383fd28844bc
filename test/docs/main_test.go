// Package docs holds the documents to their word: it runs their examples against the real programs and compares the answers, and it looks
// for the settings, error codes, metrics, packages, make targets, links and figures that they name. Ids, times and measurements differ from
// run to run and are masked; nothing else is.
package docs

import (
	"os"
	"path/filepath"
	"testing"

	"safepy/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m, 0) }

// documents are all that the repository has, by name.
func documents(t *testing.T) []string {
	t.Helper()
	root, err := harness.Root()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, pattern := range []string{"*.md", "docs/*.md", ".github/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, path := range found {
			name, err := filepath.Rel(root, path)
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, name)
		}
	}
	return names
}

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

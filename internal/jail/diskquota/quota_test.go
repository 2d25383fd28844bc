package diskquota

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const namesPerMB = 64

// What lies in a directory counts, once and with no link followed, and what cannot be looked at counts as too much.
func TestExceeded(t *testing.T) {
	elsewhere := t.TempDir()
	must(t, os.WriteFile(filepath.Join(elsewhere, "large"), make([]byte, 3<<20), 0o600))
	file := func(size int) func(dir string) error {
		return func(dir string) error { return os.WriteFile(filepath.Join(dir, "f"), make([]byte, size), 0o600) }
	}
	for _, c := range []struct {
		name string
		make func(dir string) error
		over bool
	}{
		{"nothing", func(string) error { return nil }, false},
		{"a file that fits", file(1 << 19), false},
		{"a file that does not", file(1<<20 + 1), true},
		{"one that is sparse", func(dir string) error {
			must(t, file(1)(dir))
			return os.Truncate(filepath.Join(dir, "f"), 2<<20)
		}, true},
		{"a link out", func(dir string) error { return os.Symlink(elsewhere, filepath.Join(dir, "l")) }, false},
		{"a file with three names", func(dir string) error {
			must(t, file(1<<19)(dir))
			must(t, os.Link(filepath.Join(dir, "f"), filepath.Join(dir, "g")))
			return os.Link(filepath.Join(dir, "f"), filepath.Join(dir, "h"))
		}, false},
		{"files in folders", func(dir string) error {
			for i := range 3 {
				below := filepath.Join(dir, strconv.Itoa(i))
				must(t, os.Mkdir(below, 0o700))
				must(t, file(1<<19)(below))
			}
			return nil
		}, true},
		{"names", func(dir string) error {
			for i := range namesPerMB + 1 {
				must(t, os.Symlink("x", filepath.Join(dir, strconv.Itoa(i))))
			}
			return nil
		}, true},
		{"few folders in one another", func(dir string) error { return os.MkdirAll(dir+strings.Repeat("/d", 20), 0o700) }, false},
		{"no directory", os.Remove, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			must(t, c.make(dir))
			q, err := New(filepath.Dir(dir), os.Getuid(), 1<<20, namesPerMB)
			must(t, err)
			q.path = dir
			if got := q.Exceeded(); got != c.over {
				t.Errorf("over: %t, counted %+v", got, q.count())
			}
		})
	}
	t.Run("too many folders in one another", func(t *testing.T) {
		dir := t.TempDir()
		must(t, os.MkdirAll(dir+strings.Repeat("/d", deepest+2), 0o700))
		q, err := New(dir, os.Getuid(), 64<<20, 64*namesPerMB)
		must(t, err)
		if !q.Exceeded() {
			t.Errorf("counted %+v", q.count())
		}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

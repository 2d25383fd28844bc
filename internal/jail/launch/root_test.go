package launch

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestWithoutNested(t *testing.T) {
	for _, c := range []struct{ paths, want string }{
		{"", ""},
		{"/a /b", "/a /b"},
		{"/b /a /a", "/a /b"},
		{"/a/b/c /a /a/b", "/a"},
		{"/a/b /a/bc /a/b/d", "/a/b /a/bc"},
		{"/lib /lib64 /lib/x", "/lib /lib64"},
	} {
		if got := strings.Join(withoutNested(strings.Fields(c.paths)), " "); got != c.want {
			t.Errorf("%q: %q, want %q", c.paths, got, c.want)
		}
	}
}

func TestParents(t *testing.T) {
	r := Root{Binds: []string{"/usr/lib/python3", "/dev/null"}, Links: []Link{{Path: "/usr/share/a/b"}, {Path: "/lib"}}}
	if got, want := r.parents(), []string{"/dev", "/usr", "/usr/lib", "/usr/share", "/usr/share/a"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestRootAdd(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(at("real"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"direct": "real", "twice": "direct", "dangling": "nothing", "loop": "loop"} {
		if err := os.Symlink(target, at(name)); err != nil {
			t.Fatal(err)
		}
	}
	var r Root
	for _, name := range []string{"missing", "twice", "direct", "dangling", "loop"} {
		if err := r.add(at(name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if want := []string{at("real"), at("real")}; !slices.Equal(r.Binds, want) {
		t.Errorf("binds %q, want %q", r.Binds, want)
	}
	for _, want := range []Link{{at("twice"), "direct"}, {at("direct"), "real"}, {at("dangling"), "nothing"}} {
		if !slices.Contains(r.Links, want) {
			t.Errorf("no link %+v in %+v", want, r.Links)
		}
	}
	if err := r.add(at("real/below")); err == nil {
		t.Error("a path below a file is taken")
	}
}

// The host's own Python: everything that is shown exists, and nothing of the host is that is not Python's.
func TestFindRoot(t *testing.T) {
	const python = "/usr/bin/python3"
	if _, err := os.Stat(python); err != nil {
		t.Skip("no Python: ", err)
	}
	r, err := FindRoot(python)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(r.Binds, r.Python) {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
	for _, private := range []string{"/", "/etc", "/proc", "/sys", "/dev", "/home", "/root", "/var", "/run", "/usr", "/usr/bin", "/usr/lib",
		"/tmp"} {
		if slices.Contains(r.Binds, private) {
			t.Errorf("all of %s is shown", private)
		}
	}
	if _, err := FindRoot("/bin/false"); err == nil || !strings.Contains(err.Error(), "JAIL_PYTHON") {
		t.Errorf("a Python that does not run: %v", err)
	}
}

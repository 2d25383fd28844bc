package jail

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
	r := root{binds: []string{"/usr/lib/python3", "/dev/null"}, links: []link{{path: "/usr/share/a/b"}, {path: "/lib"}}}
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
	var r root
	for _, name := range []string{"missing", "twice", "direct", "dangling", "loop"} {
		if err := r.add(at(name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if want := []string{at("real"), at("real")}; !slices.Equal(r.binds, want) {
		t.Errorf("binds %q, want %q", r.binds, want)
	}
	for _, want := range []link{{at("twice"), "direct"}, {at("direct"), "real"}, {at("dangling"), "nothing"}} {
		if !slices.Contains(r.links, want) {
			t.Errorf("no link %+v in %+v", want, r.links)
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
	r, err := findRoot(python)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(r.binds, r.python) {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
	for _, private := range []string{"/", "/etc", "/proc", "/sys", "/dev", "/home", "/root", "/var", "/run", "/usr", "/usr/bin", "/usr/lib", "/tmp"} {
		if slices.Contains(r.binds, private) {
			t.Errorf("all of %s is shown", private)
		}
	}
	if _, err := findRoot("/bin/false"); err == nil || !strings.Contains(err.Error(), "JAIL_PYTHON") {
		t.Errorf("a Python that does not run: %v", err)
	}
}

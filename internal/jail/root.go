package jail

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// root is what a jail's read-only file system holds: Python, its libraries, and nothing else of the host.
type root struct {
	// python is the interpreter itself, every symlink followed.
	python string
	// binds are host paths shown read-only at the same place; links are symlinks of the host, made again.
	binds []string
	links []link
}

type link struct{ path, target string }

// Beside the interpreter's own folders: the shared libraries and how they are found, time zones, the locale of the jail's environment,
// terminals, certificates, and the data that Debian keeps apart from its Python packages. What a host does not have is left out; what
// it has that is its own (users, hosts, figures of its kernel) is not here but in machine.go.
var sharedPaths = []string{
	"/lib", "/lib64", "/usr/lib64",
	"/etc/alternatives", "/etc/ld.so.cache",
	"/usr/share/zoneinfo", "/usr/lib/locale/C.utf8", "/usr/lib/terminfo", "/usr/share/terminfo", "/etc/ssl/certs/ca-certificates.crt",
	"/usr/share/matplotlib", "/etc/matplotlibrc", "/usr/share/fonts", "/etc/fonts",
	"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom",
}

// findRoot asks the interpreter where its libraries are. It runs Python outside a jail, on no input at all.
func findRoot(python string) (root, error) {
	// What is mapped names libpython, which lies beside no package where Python was not installed by the distribution.
	const question = `import sys, sysconfig
mapped = {l.split(None, 5)[5].strip() for l in open("/proc/self/maps") if ".so" in l}
print("\n".join(sorted({sys.executable, *map(sysconfig.get_path, ("stdlib", "platstdlib")), *sys.path, *mapped} - {""})))`
	out, err := exec.Command(python, "-I", "-c", question).Output()
	if err != nil {
		return root{}, fmt.Errorf("%s does not run (set JAIL_PYTHON to a Python 3.11 or newer): %w", python, err)
	}
	own, err := filepath.EvalSymlinks(python)
	if err != nil {
		return root{}, fmt.Errorf("find python: %w", err)
	}
	r := root{python: own}
	paths := append(strings.Fields(string(out)), sharedPaths...)
	libraries, err := filepath.Glob("/usr/lib/*-linux-gnu*")
	if err != nil {
		return root{}, err
	}
	for _, path := range append(paths, libraries...) {
		if err := r.add(path); err != nil {
			return root{}, err
		}
	}
	if err := r.add(own); err != nil {
		return root{}, err
	}
	r.binds = withoutNested(r.binds)
	return r, nil
}

// add takes up a path, or, where it is a symlink, the link and what it points to.
func (r *root) add(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at %s: %w", path, err)
	}
	if info.Mode()&fs.ModeSymlink == 0 {
		r.binds = append(r.binds, path)
		return nil
	}
	target, err := os.Readlink(path)
	if err != nil {
		return fmt.Errorf("look at %s: %w", path, err)
	}
	if strings.HasPrefix(path, "/dev/") {
		return nil
	}
	l := link{path: path, target: target}
	if !slices.Contains(r.links, l) {
		r.links = append(r.links, l)
	}
	// /lib -> usr/lib must not bring in all of /usr/lib: its parts are listed by themselves.
	resolved, err := filepath.EvalSymlinks(path)
	if err != nil || resolved == "/usr/lib" {
		return nil
	}
	return r.add(resolved)
}

// withoutNested drops paths that lie below another.
func withoutNested(paths []string) []string {
	slices.Sort(paths)
	var kept []string
	for _, path := range slices.Compact(paths) {
		below := func(k string) bool { return strings.HasPrefix(path, k+"/") }
		if !slices.ContainsFunc(kept, below) {
			kept = append(kept, path)
		}
	}
	return kept
}

// parents are the directories that the binds and links lie in, outer before inner.
func (r root) parents() []string {
	var dirs []string
	add := func(path string) {
		for dir := filepath.Dir(path); dir != "/"; dir = filepath.Dir(dir) {
			dirs = append(dirs, dir)
		}
	}
	for _, path := range r.binds {
		add(path)
	}
	for _, l := range r.links {
		add(l.path)
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

package launch

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

// Root is what a jail's read-only file system holds: Python, its libraries, and nothing else of the host.
type Root struct {
	// Python is the interpreter itself, every symlink followed.
	Python string
	// Binds are host paths shown read-only at the same place; Links are symlinks of the host, made again.
	Binds []string
	Links []Link
}

// Link is a symlink and what it points to.
type Link struct{ Path, Target string }

// Beside the interpreter's own folders: the shared libraries and how they are found, time zones, the locale of the jail's environment,
// terminals, certificates, and the data that Debian keeps apart from its Python packages. What a host does not have is left out; what
// it has that is its own (users, hosts, figures of its kernel) is not here but among the small machine's files of package jail.
var sharedPaths = []string{
	"/lib", "/lib64", "/usr/lib64",
	"/etc/alternatives", "/etc/ld.so.cache",
	"/usr/share/zoneinfo", "/usr/lib/locale/C.utf8", "/usr/lib/terminfo", "/usr/share/terminfo", "/etc/ssl/certs/ca-certificates.crt",
	"/usr/share/matplotlib", "/etc/matplotlibrc", "/usr/share/fonts", "/etc/fonts",
	"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom",
}

// FindRoot asks the interpreter where its libraries are. It runs Python outside a jail, on no input at all.
func FindRoot(python string) (Root, error) {
	// What is mapped names libpython, which lies beside no package where Python was not installed by the distribution.
	const question = `import sys, sysconfig
mapped = {l.split(None, 5)[5].strip() for l in open("/proc/self/maps") if ".so" in l}
print("\n".join(sorted({sys.executable, *map(sysconfig.get_path, ("stdlib", "platstdlib")), *sys.path, *mapped} - {""})))`
	out, err := exec.Command(python, "-I", "-c", question).Output()
	if err != nil {
		return Root{}, fmt.Errorf("%s does not run (set JAIL_PYTHON to a Python 3.11 or newer): %w", python, err)
	}
	own, err := filepath.EvalSymlinks(python)
	if err != nil {
		return Root{}, fmt.Errorf("find python: %w", err)
	}
	r := Root{Python: own}
	paths := append(strings.Fields(string(out)), sharedPaths...)
	libraries, err := filepath.Glob("/usr/lib/*-linux-gnu*")
	if err != nil {
		return Root{}, err
	}
	for _, path := range append(paths, libraries...) {
		if err := r.add(path); err != nil {
			return Root{}, err
		}
	}
	if err := r.add(own); err != nil {
		return Root{}, err
	}
	r.Binds = withoutNested(r.Binds)
	return r, nil
}

// add takes up a path, or, where it is a symlink, the link and what it points to.
func (r *Root) add(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at %s: %w", path, err)
	}
	if info.Mode()&fs.ModeSymlink == 0 {
		r.Binds = append(r.Binds, path)
		return nil
	}
	target, err := os.Readlink(path)
	if err != nil {
		return fmt.Errorf("look at %s: %w", path, err)
	}
	if strings.HasPrefix(path, "/dev/") {
		return nil
	}
	l := Link{Path: path, Target: target}
	if !slices.Contains(r.Links, l) {
		r.Links = append(r.Links, l)
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
func (r Root) parents() []string {
	var dirs []string
	add := func(path string) {
		for dir := filepath.Dir(path); dir != "/"; dir = filepath.Dir(dir) {
			dirs = append(dirs, dir)
		}
	}
	for _, path := range r.Binds {
		add(path)
	}
	for _, l := range r.Links {
		add(l.Path)
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

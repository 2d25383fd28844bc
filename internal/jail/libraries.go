package jail

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
)

// AutoPreload in Config.Preload stands for DefaultPreload, those of it that are installed.
const AutoPreload = "auto"

// DefaultPreload are the libraries that scripts use most.
var DefaultPreload = []string{"numpy", "pandas", "matplotlib", "scipy", "openpyxl", "tabulate", "lxml", "PIL"}

// dataLibraries are those that the smaller of the two loaded flavours has: most scripts that use libraries use these alone, and pay for
// each page that others take, too, since a fork copies its entry.
var dataLibraries = []string{"numpy", "pandas"}

// debianPrefix begins the name of a Debian package of a Python library. What follows is the module's name in small letters, with dashes:
// so says Debian's policy.
const debianPrefix = "python3-"

// libraries are the modules that a script can import, by their first names.
type libraries struct {
	// standard comes with Python, installed does not.
	standard, installed map[string]bool
}

// findLibraries asks the interpreter. It runs Python outside a jail, on no input at all.
func findLibraries(python string) (libraries, error) {
	const question = `import json, os, sys, sysconfig
standard = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), sysconfig.get_path("stdlib") + "/lib-dynload"}
names = set()
for path in sys.path:
    if path not in standard and os.path.isdir(path):
        for entry in os.scandir(path):
            name, _, rest = entry.name.partition(".")
            if name.isidentifier() and name != "__pycache__" and (entry.is_dir() and not rest or entry.name.endswith((".py", ".so"))):
                names.add(name)
print(json.dumps([sorted(sys.stdlib_module_names), sorted(names - sys.stdlib_module_names)]))`
	out, err := exec.Command(python, "-I", "-c", question).Output()
	var found [2][]string
	if err == nil {
		err = json.Unmarshal(out, &found)
	}
	if err != nil {
		return libraries{}, fmt.Errorf("ask %s which libraries it has: %w", python, err)
	}
	return libraries{standard: setOf(found[0]), installed: setOf(found[1])}, nil
}

func setOf(names []string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[name] = true
	}
	return set
}

// preload is what is to be imported before any job comes.
type preload struct {
	// names in the order in which they are imported; optional are those of them that a jail also starts without.
	names, optional []string
	// missing were wished for and are not installed.
	missing []string
}

// resolve makes modules of what Config.Preload names: modules, AutoPreload and Debian's packages. The last two are wishes.
func (l libraries) resolve(wanted []string) preload {
	var p preload
	wish := func(name string) {
		switch {
		case slices.Contains(p.names, name):
		case l.installed[name]:
			p.names, p.optional = append(p.names, name), append(p.optional, name)
		default:
			p.missing = append(p.missing, name)
		}
	}
	for _, name := range wanted {
		switch library, ofDebian := strings.CutPrefix(name, debianPrefix); {
		case name == AutoPreload:
			for _, name := range DefaultPreload {
				wish(name)
			}
		case ofDebian:
			wish(l.named(library))
		}
	}
	for _, name := range wanted {
		if name == AutoPreload || strings.HasPrefix(name, debianPrefix) {
			continue
		}
		p.optional = slices.DeleteFunc(p.optional, func(o string) bool { return o == name })
		if !slices.Contains(p.names, name) {
			p.names = append(p.names, name)
		}
	}
	return p
}

// named is the installed module that Debian calls so, or else what Debian calls it.
func (l libraries) named(debians string) string {
	for name := range l.installed {
		if strings.ReplaceAll(strings.ToLower(name), "_", "-") == debians {
			return name
		}
	}
	return debians
}

// data is the part of the list that the smaller flavour has.
func (p preload) data() preload {
	own := func(names []string) []string {
		return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !slices.Contains(dataLibraries, name) })
	}
	return preload{names: own(p.names), optional: own(p.optional)}
}

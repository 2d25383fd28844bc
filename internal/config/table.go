package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"text/tabwriter"
)

// Table is every variable of a process with its default and what it means, for --help.
func Table(cfg Process) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "VARIABLE\tDEFAULT\tMEANING")
	for _, v := range variables(cfg) {
		fallback := v.fallback
		if fallback == "" {
			fallback = "-"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", v.name, fallback, v.help)
	}
	w.Flush()
	return b.String()
}

// ExampleEnv is the content of deploy/example.env: every variable of every process with its default, for an env_file.
func ExampleEnv() string {
	var b strings.Builder
	b.WriteString("# Every setting of api, worker and standalone, with its default. A line that is left out or empty means the default,\n" +
		"# except for lists (JAIL_PRELOAD, DENIED_NAMES), where empty means none. Where an image or standalone has a default of its own\n" +
		"# the line is a comment: as it stands this file changes nothing anywhere.\n")
	api, worker, standalone := variables(&API{}), variables(&Worker{}), variables(&Standalone{})
	seen := map[string]bool{}
	for _, v := range slices.Concat(api, worker, standalone) {
		if seen[v.name] {
			continue
		}
		seen[v.name] = true
		has := func(o variable) bool { return o.name == v.name }
		var readers []string
		if slices.ContainsFunc(api, has) {
			readers = append(readers, "api")
		}
		if slices.ContainsFunc(worker, has) {
			readers = append(readers, "worker")
		}
		own := slices.IndexFunc(standalone, has)
		if own >= 0 {
			readers = append(readers, "standalone")
		}
		fmt.Fprintf(&b, "\n# %s\n# (%s", v.help, strings.Join(readers, ", "))
		if own >= 0 && standalone[own].fallback != v.fallback {
			fmt.Fprintf(&b, "; %s", standaloneDefault(standalone[own].fallback))
		}
		off := ""
		if v.image || own >= 0 && standalone[own].fallback != v.fallback {
			off = "#"
		}
		fmt.Fprintf(&b, ")\n%s%s=%s\n", off, v.name, v.fallback)
	}
	return b.String()
}

func standaloneDefault(fallback string) string {
	if fallback == "" {
		return "leave it out for standalone to start a Redis of its own"
	}
	return "standalone's own default is " + fallback
}

// variable is one setting, as its struct tags describe it.
type variable struct {
	name, field, fallback, help string
	list                        bool
	// image says that the images set it.
	image bool
}

// variables lists a process's settings in the order of its struct, each once.
func variables(cfg Process) []variable {
	own := map[string]string{}
	standalone, _ := cfg.(*Standalone)
	if standalone != nil {
		own = standalone.defaults()
	}
	var out []variable
	seen := map[string]bool{}
	var walk func(reflect.Type)
	walk = func(t reflect.Type) {
		for f := range t.Fields() {
			if f.Anonymous {
				walk(f.Type)
				continue
			}
			name := f.Tag.Get("env")
			if seen[name] || standalone != nil && f.Tag.Get("standalone") == "-" {
				continue
			}
			seen[name] = true
			v := variable{
				name: name, field: f.Name, fallback: f.Tag.Get("envDefault"), help: f.Tag.Get("help"),
				list: f.Type == reflect.TypeFor[Names](), image: f.Tag.Get("image") == "-",
			}
			if fallback, ok := own[name]; ok {
				v.fallback = fallback
			}
			out = append(out, v)
		}
	}
	walk(reflect.TypeOf(cfg).Elem())
	return out
}

package jail

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"
)

func TestImports(t *testing.T) {
	for _, c := range []struct{ source, want string }{
		{"", ""},
		{"import a", "a"},
		{"import a.b.c", "a"},
		{"import a, b as c,d", "a b d"},
		{"import a as b, c . d as e , f", "a c f"},
		{"  \timport a", "a"},
		{"x = 1; import a; import b", "a b"},
		{"if x: import a", "a"},
		{"import\ta", "a"},
		{"import \\\n  a, \\\r\n b, \\\rc", "a b c"},
		{"from a import b", "a b"},
		{"from a.b import (c,\n d)", "a"},
		{"from a import(b)", "a"},
		{"from a import*", "a"},
		{"from \\\n a . b \\\n import c", "a c"},
		{"from . import a", "a"},
		{"from .a import b", "b"},
		{"try:\n\timport a\nexcept ImportError:\n\timport b\n", "a b"},
		{"raise X from error", ""},
		{"yield from items\nimport a", "a"},
		{"important = 1; reimport = 2; import_ = 3; imports(4)", ""},
		{"x.import_module('a.b')", "a"},
		{"import_module(name=\n  r\"a\")", "a"},
		{"__import__( '''a''' )", "a"},
		{"__import__(name)", ""},
		{"import_module(f(x))", ""},
		{"pytest.importorskip('a')", "a"},
		{"exec('import a')", "a"},
		{"# import a", "a"},
		{"import", ""},
		{"import ,", ""},
		{"import a,", "a"},
		{"from", ""},
		{"from a", ""},
		{"__import__('", ""},
		{"import a as", "a"},
		{"import asas as b, c", "asas c"},
		{"import a \\", "a"},
	} {
		var got []string
		imports(c.source, func(name string) { got = append(got, name) })
		want := strings.Fields(c.want)
		slices.Sort(got)
		if got = slices.Compact(got); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", c.source, got, want)
		}
	}
}

func TestReach(t *testing.T) {
	l := libraries{
		standard:  setOf([]string{"json", "statistics"}),
		installed: setOf([]string{"numpy", "pandas", "matplotlib", "openpyxl", "scipy", "tabulate", "lxml", "PIL", "helper", "six"}),
	}
	for _, c := range []struct {
		name, script, want string
		mentions           bool
		files              []File
	}{
		{name: "nothing", script: "def main(): ..."},
		{name: "the standard library", script: "import json, statistics"},
		{name: "what is not there", script: "import requests"},
		{name: "data", script: "import numpy as np\nimport pandas as pd", want: "numpy pandas", mentions: true},
		{name: "further", script: "from matplotlib import pyplot", want: "matplotlib"},
		{name: "a name in a variable", script: "name = 'pandas'\nimport_module(name)", mentions: true},
		{name: "async", script: "async def main(): ...", mentions: true},
		{name: "through pandas", script: "import pandas\ndf.to_excel('x')\ndf.plot()", want: "matplotlib openpyxl pandas", mentions: true},
		{name: "pandas' words without pandas", script: "x.to_excel()\n"},
		{name: "a helper", script: "import helper", want: "pandas", files: []File{{Path: "helper.py", Content: "import pandas"}}},
		{name: "a helper's words", script: "import helper", want: "matplotlib pandas",
			files: []File{{Path: "./helper.py", Content: "import pandas\ndf.plot()"}}},
		{name: "a helper in base64", script: "import helper", want: "scipy",
			files: []File{{Path: "helper.py", Encoding: "base64", Content: base64.StdEncoding.EncodeToString([]byte("import scipy"))}}},
		{name: "a helper in no base64", script: "import helper", files: []File{{Path: "helper.py", Encoding: "base64", Content: "?"}}},
		{name: "a package", script: "import helper", want: "scipy", files: []File{{Path: "helper/a/b.py", Content: "import scipy"}}},
		{name: "one's own", script: "import six, numpy", files: []File{{Path: "six/__init__.py"}, {Path: "numpy.py"}}},
		{name: "no module", script: "import six", want: "six", files: []File{{Path: "six.csv", Content: "import numpy"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := l.reachOf(Job{Script: c.script, Files: c.files})
			slices.Sort(got.modules)
			if want := strings.Fields(c.want); !slices.Equal(got.modules, want) || got.mentions != c.mentions {
				t.Errorf("%+v, want %q, %t", got, want, c.mentions)
			}
		})
	}
}

func FuzzImports(f *testing.F) {
	for _, seed := range []string{"import a.b as c, d", "from a.b import (c)", "import_module(name='a')", "import \\\n a",
		"__import__(\"a\")"} {
		f.Add(seed, "x")
	}
	f.Fuzz(func(t *testing.T, source, name string) {
		imports(source, func(name string) {
			if name == "" || !strings.Contains(source, name) || strings.ContainsAny(name, " .,()\"'\n") {
				t.Errorf("%q in %q", name, source)
			}
		})
		if name == "" || strings.ContainsFunc(name, func(r rune) bool { return (r < 'a' || r > 'z') && r != '_' }) {
			return
		}
		// Whatever stands before it, and behind: a statement on a line of its own is found.
		for _, statement := range []string{"import " + name, "import x, " + name + " as y", "from " + name + " import z",
			"f(__import__('" + name + "'))"} {
			found := false
			imports(source+"\n"+statement+"\n"+source, func(n string) { found = found || n == name })
			if !found {
				t.Errorf("%q is not found behind %q", statement, source)
			}
		}
	})
}

func TestResolve(t *testing.T) {
	l := libraries{installed: setOf([]string{"numpy", "pandas", "PIL", "sklearn", "mpl_toolkits"})}
	for _, c := range []struct{ wanted, names, optional, missing string }{
		{"", "", "", ""},
		{"numpy pandas", "numpy pandas", "", ""},
		{"no_such", "no_such", "", ""},
		{"auto", "numpy pandas PIL", "numpy pandas PIL", "matplotlib scipy openpyxl tabulate lxml"},
		{"auto python3-sklearn python3-pil", "numpy pandas PIL sklearn", "numpy pandas PIL sklearn", "matplotlib scipy openpyxl tabulate lxml"},
		{"python3-mpl-toolkits python3-torch", "mpl_toolkits", "mpl_toolkits", "torch"},
		{"auto pandas", "numpy pandas PIL", "numpy PIL", "matplotlib scipy openpyxl tabulate lxml"},
	} {
		p := l.resolve(strings.Fields(c.wanted))
		if got := [3]string{strings.Join(p.names, " "), strings.Join(p.optional, " "), strings.Join(p.missing, " ")}; got != [3]string{c.names,
			c.optional, c.missing} {
			t.Errorf("%s: %q", c.wanted, got)
		}
	}
	p := l.resolve([]string{AutoPreload}).data()
	if strings.Join(p.names, " ") != "numpy pandas" || strings.Join(p.optional, " ") != "numpy pandas" {
		t.Errorf("data: %+v", p)
	}
}

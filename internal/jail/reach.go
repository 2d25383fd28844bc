package jail

import (
	"encoding/base64"
	"slices"
	"strings"
)

// importAllowanceMB is what a job may use beyond its limit when its script names an installed library that its jail has not loaded: what
// the library's own import takes is not the script's data: with scikit-learn and all that it needs 70 MB. Naming one is enough to have it,
// so for whoever means harm the limit of every job is as much higher.
const importAllowanceMB = 128

// reach is what a job's text says that it may import. Text is all that is looked at, here outside the jails: Python's own parser works on
// what strangers send inside them only. A module too many costs a job the fork of a larger server, one that is missed the time and the
// memory of its import.
type reach struct {
	// modules by their first names, without those that came with the job.
	modules []string
	// mentions says that the script has a word of one of the data libraries, or of what is too large for the small server.
	mentions bool
}

// flavour is a kind of jail by what its server has loaded before any job comes.
type flavour int

const (
	plain    flavour = iota // some of the standard library
	withData                // the data libraries and what is large in the standard library
	full                    // all that is to be loaded ahead
)

// flavour is the smallest that a job needs; inData reports whether that with the data libraries has all of these modules.
func (r reach) flavour(inData func(modules []string) bool) flavour {
	switch {
	case len(r.modules) == 0 && !r.mentions:
		return plain
	case inData(r.modules):
		return withData
	}
	return full
}

// largeModules are words for what the standard library has that is too large for the small server: _LARGE of server.py.
var largeModules = []string{"async", "hashlib"}

// throughPandas are words by which data frames reach libraries that they import when they need them. Only those that are installed count.
var throughPandas = []struct {
	word      string
	libraries []string
}{
	{".plot", []string{"matplotlib"}}, {".hist(", []string{"matplotlib"}}, {"boxplot", []string{"matplotlib"}},
	{"plotting", []string{"matplotlib"}},
	{".style", []string{"jinja2", "matplotlib"}}, {"to_latex", []string{"jinja2"}},
	{"excel", []string{"openpyxl", "xlrd", "odf", "pyxlsb", "xlsxwriter"}},
	{"Excel", []string{"openpyxl", "xlrd", "odf", "pyxlsb", "xlsxwriter"}},
	{"to_markdown", []string{"tabulate"}}, {"read_html", []string{"lxml", "bs4", "html5lib"}}, {"_xml", []string{"lxml"}},
	{"interpolate", []string{"scipy"}}, {"spearman", []string{"scipy"}}, {"kendall", []string{"scipy"}}, {"win_type", []string{"scipy"}},
	{".sparse", []string{"scipy"}}, {".kde", []string{"scipy"}}, {"to_xarray", []string{"xarray"}},
	{"_hdf", []string{"tables"}}, {"HDFStore", []string{"tables"}}, {"parquet", []string{"pyarrow", "fastparquet"}},
	{"feather", []string{"pyarrow"}},
	{"pyarrow", []string{"pyarrow"}}, {"_orc", []string{"pyarrow"}}, {"_sql", []string{"sqlalchemy"}}, {"_gbq", []string{"pandas_gbq"}},
}

// reachOf looks through the job's script and the Python files that come with it.
func (l libraries) reachOf(j Job) reach {
	sources, own := []string{j.Script}, map[string]bool{}
	for _, f := range j.Files {
		if name := ownModule(f.Path); name != "" {
			own[name] = true
		}
		if strings.HasSuffix(f.Path, ".py") {
			sources = append(sources, f.text())
		}
	}
	var r reach
	add := func(name string) {
		if l.installed[name] && !own[name] && !slices.Contains(r.modules, name) {
			r.modules = append(r.modules, name)
		}
	}
	for _, source := range sources {
		imports(source, add)
	}
	has := func(word string) bool { return strings.Contains(j.Script, word) }
	named := func(word string) bool { return !own[word] && has(word) }
	r.mentions = slices.ContainsFunc(dataLibraries, named) || slices.ContainsFunc(largeModules, has)
	if slices.Contains(r.modules, dataFramesLibrary) {
		for _, t := range throughPandas {
			if slices.ContainsFunc(sources, func(source string) bool { return strings.Contains(source, t.word) }) {
				for _, library := range t.libraries {
					add(library)
				}
			}
		}
	}
	return r
}

// ownModule is the first name of the module that a file of a job makes, or of the package that it may belong to.
func ownModule(path string) string {
	path = strings.TrimPrefix(path, "./")
	if name, _, below := strings.Cut(path, "/"); below {
		return name
	}
	name, isPython := strings.CutSuffix(path, ".py")
	if !isPython {
		return ""
	}
	return name
}

func (f File) text() string {
	if f.Encoding != "base64" {
		return f.Content
	}
	text, err := base64.StdEncoding.DecodeString(f.Content)
	if err != nil {
		return ""
	}
	return string(text)
}

// imports calls found with the first name of each module that source may import: import a.b as c, d; from a import b; and a name in a
// string, as in import_module("a.b"). What stands in a comment or a string counts as well, and so does b. Python also takes letters that
// only look like ASCII for a name's; those are missed.
func imports(source string, found func(name string)) {
	each(source, "from", func(before, after string) {
		name, rest := dotted(skipBlank(after))
		if name != "" && isWord(before, "from", after) && strings.HasPrefix(skipBlank(rest), "import") {
			found(name)
		}
	})
	each(source, "import", func(before, after string) {
		if isWord(before, "import", after) {
			listed(after, found)
			return
		}
		for _, importer := range importers {
			if call, is := strings.CutPrefix(after, importer); is {
				if name := stringArgument(call); name != "" {
					found(name)
				}
			}
		}
	})
}

// importers are what follows the word import in functions that import what a string names: __import__, import_module, importorskip.
var importers = []string{"__", "_module", "orskip"}

// each calls f with what stands before and after each place where word does.
func each(source, word string, f func(before, after string)) {
	for at := 0; ; {
		i := strings.Index(source[at:], word)
		if i < 0 {
			return
		}
		f(source[:at+i], source[at+i+len(word):])
		at += i + len(word)
	}
}

// isWord reports whether the word is not part of a longer name.
func isWord(before, word, after string) bool {
	return (before == "" || !isNamePart(before[len(before)-1])) && (after == "" || !isNamePart(after[0]))
}

// listed reads a.b as c, d behind the word import.
func listed(s string, found func(string)) {
	for more := true; more; {
		name, rest := dotted(skipBlank(s))
		if name == "" {
			return
		}
		found(name)
		rest = skipBlank(rest)
		if alias, is := strings.CutPrefix(rest, "as"); is && isWord("", "as", alias) {
			_, rest = dotted(skipBlank(alias))
			rest = skipBlank(rest)
		}
		s, more = strings.CutPrefix(rest, ",")
	}
}

// stringArgument is the first name in the string that a call begins with: ("a.b"), (name='a').
func stringArgument(s string) string {
	s, called := strings.CutPrefix(skipSpace(s), "(")
	if !called {
		return ""
	}
	s = skipSpace(s)
	if keyword, is := strings.CutPrefix(s, "name"); is {
		if value, is := strings.CutPrefix(skipSpace(keyword), "="); is {
			s = skipSpace(value)
		}
	}
	unquoted := strings.TrimLeft(strings.TrimLeft(s, "rRuUbBfF"), `"'`)
	if i := len(s) - len(unquoted); i == 0 || s[i-1] != '"' && s[i-1] != '\'' {
		return ""
	}
	name, _ := dotted(unquoted)
	return name
}

// dotted reads a name such as a.b and returns its first part, and what follows; blanks may stand around the dots.
func dotted(s string) (first, rest string) {
	for {
		n := 0
		for n < len(s) && isNamePart(s[n]) {
			n++
		}
		if first == "" {
			first = s[:n]
		}
		s = s[n:]
		next, more := strings.CutPrefix(skipBlank(s), ".")
		if n == 0 || !more {
			return first, s
		}
		s = skipBlank(next)
	}
}

// skipBlank skips what Python skips within a statement.
func skipBlank(s string) string {
	for {
		s = strings.TrimLeft(s, " \t\f")
		joined, is := strings.CutPrefix(s, "\\")
		if !is {
			return s
		}
		unbroken := strings.TrimPrefix(joined, "\r")
		if s, is = strings.CutPrefix(unbroken, "\n"); !is {
			if len(unbroken) == len(joined) {
				return "\\" + joined
			}
			s = unbroken // a line may end with a carriage return alone
		}
	}
}

// skipSpace also skips the ends of lines, as Python does in parentheses.
func skipSpace(s string) string { return strings.TrimLeft(s, " \t\f\r\n\\") }

func isNamePart(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

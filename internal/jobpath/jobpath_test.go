package jobpath

import (
	"strings"
	"testing"
)

func TestCleanAndProblem(t *testing.T) {
	for given, want := range map[string]string{
		"a": "a", "./a.jpg": "a.jpg", "a//b": "a/b", "a/./b": "a/b", "././a": "a", ".env": ".env", "...": "...", "d/é .txt": "d/é .txt",
		strings.Repeat("a/", MaxLevels-1) + "b": strings.Repeat("a/", MaxLevels-1) + "b",
	} {
		if got := Clean(given); got != want || Problem(got) != "" {
			t.Errorf("%q: %q %s, want %q", given, got, Problem(got), want)
		}
	}
	for given, want := range map[string]string{
		"": "empty", ".": "empty part", "./": "slash", "./.": "empty", "..": "leaves", "./../a": "leaves", "a/../b": "leaves", "/a": "absolute",
		"//a": "absolute", "a/": "slash", "a\\b": "backslash", "a\nb": "control", "a\x1b[31m": "control", "a\x00": "control", "a\u0085": "control",
		"a\xff": "UTF-8", strings.Repeat("a", MaxNameBytes+1): "name longer", strings.Repeat("ab/", MaxBytes): "longer than",
		strings.Repeat("a/", MaxLevels) + "b": "levels",
	} {
		if got := Problem(Clean(given)); !strings.Contains(got, want) {
			t.Errorf("%q: %q, want something with %q", given, got, want)
		}
	}
}

func TestTaken(t *testing.T) {
	var taken Taken
	for _, p := range []string{"x/y", "x/z", "a", "b.c"} {
		if clash := taken.Add(p, p); clash != nil {
			t.Errorf("%s: %+v", p, clash)
		}
	}
	for p, want := range map[string]Clash{
		"x": {Owner: "x/y", Folder: true}, "a/b": {Owner: "a", Above: true}, "a": {Owner: "a"}, "x/y/z": {Owner: "x/y", Above: true},
	} {
		if clash := taken.Add(p, "new"); clash == nil || *clash != want {
			t.Errorf("%s: %+v, want %+v", p, clash, want)
		}
	}
	if clash := taken.Add("x/new", "new"); clash != nil {
		t.Errorf("what was refused has left its folders: %+v", clash)
	}
}

// What Problem lets through stays inside and is one way to say where.
func FuzzProblem(f *testing.F) {
	for _, seed := range []string{"a/b", "./a", "..", "a\x00", "\xff", "a/../b", "c:\\x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, given string) {
		p := Clean(given)
		if Problem(p) != "" {
			return
		}
		if Clean(p) != p || len(p) > MaxBytes || strings.HasPrefix(p, "/") || strings.Contains("/"+p+"/", "/../") || strings.ContainsAny(p, "\x00\n\x1b\\") {
			t.Errorf("%q is let through as %q", given, p)
		}
	})
}

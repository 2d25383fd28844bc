// Package jobpath says which paths the files of a job may have in its working directory: those that a request brings, and those that
// a job claims to have left.
package jobpath

import (
	"fmt"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// MaxBytes and MaxLevels bound a path, MaxNameBytes what stands between two slashes, as Linux does.
	MaxBytes     = 512
	MaxLevels    = 16
	MaxNameBytes = 255
)

// Clean takes out of a path what says nothing: ./a//b is a/b. A path that Problem refuses it leaves refused.
func Clean(p string) string {
	if !strings.Contains(p, "/") || strings.HasPrefix(p, "/") || strings.HasSuffix(p, "/") {
		return p
	}
	parts := strings.Split(p, "/")
	kept := parts[:0]
	for _, part := range parts {
		if part != "" && part != "." {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, "/")
}

// Problem says why a path cannot be that of a file; empty when it can. What it lets through is clean.
func Problem(p string) string {
	switch {
	case p == "":
		return "is empty"
	case len(p) > MaxBytes:
		return fmt.Sprintf("is longer than %d bytes", MaxBytes)
	case !utf8.ValidString(p):
		return "is not UTF-8"
	case p[0] == '/':
		return "is absolute"
	case strings.Contains(p, `\`):
		return `holds a backslash (folders are divided by /)`
	case strings.ContainsFunc(p, unicode.IsControl):
		return "holds a control character"
	case strings.HasSuffix(p, "/"):
		return "ends with a slash, as a folder's does"
	case strings.Count(p, "/") >= MaxLevels:
		return fmt.Sprintf("has more than %d levels", MaxLevels)
	}
	for part := range strings.SplitSeq(p, "/") {
		switch {
		case part == "..":
			return "leaves the working directory"
		case part == "." || part == "":
			return "has an empty part"
		case len(part) > MaxNameBytes:
			return fmt.Sprintf("has a name longer than %d bytes", MaxNameBytes)
		}
	}
	return ""
}

// Taken are the paths of several files: "a" and "a/b" cannot both be files. The zero value is ready.
type Taken struct{ by map[string]place }

type place struct {
	owner  string
	folder bool
}

// Clash is what is in the way of a path.
type Clash struct {
	// Owner is whose path it is.
	Owner string
	// Folder says that a folder of the owner's is where the file should be; Above that the owner's file is where a folder should be.
	Folder, Above bool
}

// Add takes a path for a file of that owner, or says what is in the way.
func (t *Taken) Add(p, owner string) *Clash {
	if t.by == nil {
		t.by = map[string]place{}
	}
	if other, taken := t.by[p]; taken {
		return &Clash{Owner: other.owner, Folder: other.folder}
	}
	for dir := path.Dir(p); dir != "."; dir = path.Dir(dir) {
		if other, taken := t.by[dir]; taken && !other.folder {
			return &Clash{Owner: other.owner, Above: true}
		}
	}
	for dir := path.Dir(p); dir != "."; dir = path.Dir(dir) {
		if _, taken := t.by[dir]; taken {
			break
		}
		t.by[dir] = place{owner, true}
	}
	t.by[p] = place{owner, false}
	return nil
}

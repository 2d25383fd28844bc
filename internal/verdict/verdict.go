// Package verdict says whether what a program returned or printed is what was expected of it.
package verdict

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Result compares two JSON values: numbers by what they are worth, objects in whatever order, all else exactly. A number may be off by
// tolerance, or by tolerance times what was wanted where that is more. It returns where and how they differ, or nothing.
func Result(want, got json.RawMessage, tolerance float64) string {
	w, err := decode(want)
	if err != nil {
		return "what is expected is not JSON: " + err.Error()
	}
	g, err := decode(got)
	if err != nil {
		return "the result is not JSON: " + err.Error()
	}
	return differ("result", w, g, tolerance)
}

func decode(text json.RawMessage) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber() // integers of any length are exact
	err = d.Decode(&v)
	return v, err
}

func differ(at string, want, got any, tolerance float64) string {
	switch w := want.(type) {
	case map[string]any:
		if g, ok := got.(map[string]any); ok {
			return objects(at, w, g, tolerance)
		}
	case []any:
		if g, ok := got.([]any); ok {
			return arrays(at, w, g, tolerance)
		}
	case json.Number:
		if g, ok := got.(json.Number); ok && numbers(w, g, tolerance) {
			return ""
		}
	default: // strings, booleans and null
		if want == got {
			return ""
		}
	}
	return fmt.Sprintf("%s is %s, expected %s", at, short(got), short(want))
}

func objects(at string, want, got map[string]any, tolerance float64) string {
	for _, name := range slices.Sorted(maps.Keys(want)) {
		g, ok := got[name]
		if !ok {
			return fmt.Sprintf("%s has no %s", at, short(name))
		}
		if d := differ(at+"["+short(name)+"]", want[name], g, tolerance); d != "" {
			return d
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[name]; !ok {
			return fmt.Sprintf("%s has %s, which is not expected", at, short(name))
		}
	}
	return ""
}

func arrays(at string, want, got []any, tolerance float64) string {
	if len(want) != len(got) {
		return fmt.Sprintf("%s has %d items, expected %d", at, len(got), len(want))
	}
	for i := range want {
		if d := differ(at+"["+strconv.Itoa(i)+"]", want[i], got[i], tolerance); d != "" {
			return d
		}
	}
	return ""
}

// numbers compares integers digit by digit, and all others as Python's floats.
func numbers(want, got json.Number, tolerance float64) bool {
	if want == got {
		return true
	}
	if tolerance == 0 && integer(want) && integer(got) {
		return want == "-0" && got == "0" || want == "0" && got == "-0"
	}
	w, errWant := want.Float64()
	g, errGot := got.Float64()
	if errWant != nil || errGot != nil {
		return false // larger than any float
	}
	return math.Abs(w-g) <= tolerance*max(1, math.Abs(w))
}

func integer(n json.Number) bool { return !strings.ContainsAny(string(n), ".eE") }

// Text compares what was printed. Unless it is to be exact, white space at the ends of lines and of the whole text counts for nothing.
func Text(want, got string, exact bool) string {
	if want == got {
		return ""
	}
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	if !exact {
		w, g = lines(want), lines(got)
	}
	for i := range max(len(w), len(g)) {
		switch {
		case i >= len(g):
			return fmt.Sprintf("stdout ends after line %d, expected %s in the next", i, short(w[i]))
		case i >= len(w):
			return fmt.Sprintf("stdout goes on in line %d with %s, expected its end", i+1, short(g[i]))
		case w[i] != g[i]:
			return fmt.Sprintf("line %d of stdout is %s, expected %s", i+1, short(g[i]), short(w[i]))
		}
	}
	return ""
}

func lines(text string) []string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	for i, line := range all {
		all[i] = strings.TrimRight(line, " \t\r\v\f")
	}
	return all
}

// short is a value as JSON, fit for a message.
func short(v any) string {
	const most = 80
	text, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	if len(text) <= most {
		return string(text)
	}
	return strings.ToValidUTF8(string(text[:most]), "") + "..."
}

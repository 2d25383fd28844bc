package procfs

import (
	"slices"
	"testing"
)

func TestTextsIn(t *testing.T) {
	const mb = 1 << 20
	at := func(start, end, offset uint64, path string) Mapping {
		return Mapping{Start: start * mb, End: end * mb, Path: path, Offset: offset * mb}
	}
	for _, c := range []struct {
		name     string
		mappings []Mapping
		want     []MappedText
	}{
		{"nothing", nil, nil},
		{"a program at a fixed address", []Mapping{at(4, 9, 0, "/p")},
			[]MappedText{{TextSegment{"/p", 0}, 4 * mb}, {TextSegment{"/p", 2 * mb}, 6 * mb}}},
		{"in parts", []Mapping{at(4, 5, 0, "/p"), at(5, 7, 1, "/p")}, []MappedText{{TextSegment{"/p", 0}, 4 * mb}}},
		{"parts of two files", []Mapping{at(4, 5, 0, "/p"), at(5, 7, 1, "/q")}, nil},
		{"with a gap", []Mapping{at(4, 5, 0, "/p"), at(6, 7, 2, "/p")}, nil},
		{"parts that do not follow in the file", []Mapping{at(4, 5, 0, "/p"), at(5, 7, 3, "/p")}, nil},
		{"not as it lies in its file", []Mapping{at(3, 9, 0, "/p")}, nil},
		{"too small", []Mapping{at(4, 5, 0, "/p")}, nil},
		{"no file", []Mapping{at(4, 8, 0, "")}, nil},
		{"data", []Mapping{{4 * mb, 8 * mb, true, true, "/p", 0}}, nil},
		{"code before data", []Mapping{at(4, 6, 0, "/p"), {6 * mb, 8 * mb, true, true, "/p", 2 * mb}},
			[]MappedText{{TextSegment{"/p", 0}, 4 * mb}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := TextsIn(c.mappings); !slices.Equal(got, c.want) {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

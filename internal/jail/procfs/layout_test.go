package procfs

import (
	"slices"
	"testing"
)

func TestPieces(t *testing.T) {
	const mb, huge = 1 << 20, HugePage
	at := func(start, end uint64) Mapping { return Mapping{Start: start, End: end, Writable: true, Plain: true} }
	for _, c := range []struct {
		name     string
		mappings []Mapping
		want     []PageRun
	}{
		{"nothing", nil, nil},
		{"code", []Mapping{{Start: mb, End: 2 * mb}}, nil},
		{"data", []Mapping{at(mb, 2*mb)}, []PageRun{{mb, mb}}},
		{"neighbours", []Mapping{at(mb, 2*mb), at(2*mb, 3*mb)}, []PageRun{{mb, 2 * mb}}},
		{"neighbours of code", []Mapping{at(mb, 2*mb), {Start: 2 * mb, End: 3 * mb}, at(3*mb, 4*mb)}, []PageRun{{mb, mb}, {3 * mb, mb}}},
		{"apart", []Mapping{at(mb, 2*mb), at(3*mb, 4*mb)}, []PageRun{{mb, mb}, {3 * mb, mb}}},
		{"a huge page", []Mapping{at(huge, 2*huge)}, []PageRun{{huge, huge}}},
		{"huge pages between ends", []Mapping{at(huge-mb, 3*huge+mb)},
			[]PageRun{{huge - mb, mb}, {huge, huge}, {2 * huge, huge}, {3 * huge, mb}}},
		{"data behind huge pages", []Mapping{at(huge, 2*huge+mb/2), at(2*huge+mb/2, 2*huge+mb)}, []PageRun{{huge, huge}, {2 * huge, mb}}},
		{"a huge page of two mappings", []Mapping{at(huge, huge+mb), at(huge+mb, 2*huge)}, []PageRun{{huge, huge}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := pieces(c.mappings); !slices.Equal(got, c.want) {
				t.Errorf("%x, want %x", got, c.want)
			}
		})
	}
}

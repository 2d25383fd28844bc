package procfs

import (
	"slices"
	"testing"
)

func TestParseMappings(t *testing.T) {
	for _, c := range []struct {
		name, maps string
		want       []Mapping
	}{
		{"nothing", "", nil},
		{"code", "00400000-00945000 r-xp 00001000 fe:00 247702                             /usr/bin/python 3.11\n",
			[]Mapping{{Start: 0x400000, End: 0x945000, Path: "/usr/bin/python 3.11", Offset: 0x1000}}},
		{"shared by intention", "7f00-7f10 rw-s 00000000 00:01 1029 /memfd:x (deleted)\n", nil},
		{"nobody's", "7f00-7f10 ---p 00000000 00:00 0 \n", nil},
		{"data, heap and unnamed", "00945000-00a85000 rw-p 00544000 fe:00 247702 /usr/bin/python3.11\n" +
			"1e982000-1ebc5000 rw-p 00000000 00:00 0 [heap]\n7fcdd3ee9000-7fcdd401c000 rw-p 00000000 00:00 0 \n",
			[]Mapping{
				{0x945000, 0xa85000, true, true, "/usr/bin/python3.11", 0x544000}, {0x1e982000, 0x1ebc5000, true, true, "", 0},
				{0x7fcdd3ee9000, 0x7fcdd401c000, true, true, "", 0},
			}},
		{"named by whoever made it", "7f0000000000-7f0000001000 rwxp 00000000 00:00 0 [anon:/x]\n",
			[]Mapping{{0x7f0000000000, 0x7f0000001000, true, false, "", 0}}},
		{"a stack", "7ffc0000-7ffd0000 rw-p 00000000 00:00 0                          [stack]\n",
			[]Mapping{{0x7ffc0000, 0x7ffd0000, true, false, "", 0}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := parseMappings([]byte(c.maps))
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("%+v, %v, want %+v", got, err, c.want)
			}
		})
	}
	if _, err := parseMappings([]byte("somewhere rw-p 0 0:0 0\n")); err == nil {
		t.Error("a line without addresses is taken")
	}
}

func TestRunsOf(t *testing.T) {
	for _, c := range []struct {
		pages []uint64
		want  []PageRun
	}{
		{nil, nil},
		{[]uint64{0x1000}, []PageRun{{0x1000, 0x1000}}},
		{[]uint64{0x1000, 0x2000, 0x4000}, []PageRun{{0x1000, 0x2000}, {0x4000, 0x1000}}},
	} {
		if got := Runs(c.pages); !slices.Equal(got, c.want) {
			t.Errorf("%x: %x, want %x", c.pages, got, c.want)
		}
	}
}

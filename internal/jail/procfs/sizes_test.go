package procfs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadSizes(t *testing.T) {
	page := int64(os.Getpagesize())
	for text, want := range map[string]Sizes{
		"36234 12345 2345 1 0 5678 0\n": {Space: 36234 * page, Resident: 12345 * page, Anonymous: 10000 * page, Data: 5678 * page},
		"1 0 0 0 0 0 0\n":               {Space: page},
	} {
		file := fileWith(t, text)
		if got, err := ReadSizes(int(file.Fd())); err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "0 0 0 0 0 0 0\n"} {
		file := fileWith(t, text)
		if got, err := ReadSizes(int(file.Fd())); err == nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

func TestSharedIn(t *testing.T) {
	maps := strings.Join([]string{
		"55d0c0000000-55d0c0001000 r--p 00000000 fe:00 123 /usr/bin/python3.11",
		"7f0000000000-7f0000a00000 rw-s 00000000 00:01 77 /dev/zero (deleted)",
		"7f0001000000-7f0001001000 rw-s 00000000 00:01 78 /dev/zero (deleted)",
		"7f0002000000-7f0003000000 rw-p 00000000 00:00 0 ",
		"7f0004000000-7f0005000000 r-xs 00000000 00:01 9 /memfd:text (deleted)",
		"nonsense /dev/zero (deleted)",
	}, "\n")
	if got := sharedIn([]byte(maps)); got != 0xa00000+0x1000 {
		t.Errorf("%#x", got)
	}
}

func fileWith(t *testing.T, text string) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "statm")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return file
}

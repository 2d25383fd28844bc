package jail

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"safepy/internal/jail/procfs"
)

func TestTextIsTheFilesAndSealed(t *testing.T) {
	path, err := filepath.EvalSymlinks("/usr/bin/python3")
	if err != nil {
		t.Skip("no /usr/bin/python3: ", err)
	}
	want := make([]byte, procfs.HugePage)
	python, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer python.Close()
	if _, err := python.ReadAt(want, procfs.HugePage); err != nil {
		t.Skip("it is shorter than two huge pages: ", err)
	}
	all := newTextSegments(slog.New(slog.NewTextHandler(t.Output(), nil)))
	defer all.close()
	text := all.of(procfs.TextSegment{Path: path, Offset: procfs.HugePage})
	if text == nil {
		t.Skip("its code cannot be shared here")
	}
	if again := all.of(procfs.TextSegment{Path: path, Offset: procfs.HugePage}); again != text {
		t.Error("it is made anew for each that asks")
	}
	got := make([]byte, procfs.HugePage)
	if _, err := text.ReadAt(got, 0); err != nil || !bytes.Equal(got, want) {
		t.Errorf("it differs from the file: %v", err)
	}
	if _, err := text.WriteAt([]byte{1}, 0); err == nil {
		t.Error("it can be written to")
	}
	if _, err := unix.Mmap(int(text.Fd()), 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err == nil {
		t.Error("it can be mapped to be written to")
	}
	if err := text.Truncate(0); err == nil {
		t.Error("it can be cut off")
	}
	if absent := all.of(procfs.TextSegment{Path: filepath.Join(t.TempDir(), "absent")}); absent != nil {
		t.Error("a file that is not there has a text")
	}
}

// What one job does to the interpreter's code, by whatever means its own filter leaves it, no other may notice.
func TestCodeIsNobodysToChange(t *testing.T) {
	python, err := filepath.EvalSymlinks("/usr/bin/python3")
	if err != nil {
		t.Skip("no /usr/bin/python3: ", err)
	}
	program, err := elf.Open(python)
	if err != nil {
		t.Fatal(err)
	}
	program.Close()
	if program.Type != elf.ET_EXEC {
		t.Skip("Python has no fixed address here")
	}
	first := program.Progs[slices.IndexFunc(program.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_LOAD })].Vaddr
	// The file's first bytes, which nothing reads any more once it runs.
	script := fmt.Sprintf(`import ctypes

def main(write):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mprotect.argtypes = libc.madvise.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    if write:
        libc.madvise(%[1]d, 4096, 9)
        if libc.mprotect(%[1]d, 4096, 3) == 0:
            ctypes.memset(%[1]d + 8, 0x5a, 8)
    return ctypes.string_at(%[1]d, 16).hex()
`, first)
	eachPool(t, Config{}, func(t *testing.T, p *Pool) {
		read := func(write bool) string {
			t.Helper()
			args, err := json.Marshal([]bool{write})
			if err != nil {
				t.Fatal(err)
			}
			o, err := p.Run(t.Context(), Job{Script: script, Args: args})
			if err != nil || o.Failure != nil {
				t.Fatal(err, o.Failure)
			}
			return string(o.Result)
		}
		before := read(false)
		read(true)
		if after := read(false); after != before {
			t.Errorf("the code began with %s, and after a job that wrote to it with %s", before, after)
		}
	})
}

package jail

import (
	"debug/elf"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestTextIsTheInterpretersAndSealed(t *testing.T) {
	python, err := filepath.EvalSymlinks("/usr/bin/python3")
	if err != nil {
		t.Skip("no /usr/bin/python3: ", err)
	}
	shared, err := shareText(python)
	if err != nil {
		t.Skip("its code cannot be shared here: ", err)
	}
	defer shared.close()
	program, err := elf.Open(python)
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	for _, s := range program.Progs {
		if s.Type != elf.PT_LOAD || s.Flags&elf.PF_W != 0 {
			continue
		}
		from, to := max(s.Vaddr, shared.address), min(s.Vaddr+s.Filesz, shared.address+shared.size)
		if from >= to {
			continue
		}
		want, got := make([]byte, to-from), make([]byte, to-from)
		if _, err := s.ReadAt(want, int64(from-s.Vaddr)); err != nil {
			t.Fatal(err)
		}
		if _, err := shared.file.ReadAt(got, int64(from-shared.address)); err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("what lies at %#x to %#x differs from the interpreter's file", from, to)
		}
	}
	if _, err := shared.file.WriteAt([]byte{1}, 0); err == nil {
		t.Error("it can be written to")
	}
	if _, err := unix.Mmap(int(shared.file.Fd()), 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err == nil {
		t.Error("it can be mapped to be written to")
	}
	if err := shared.file.Truncate(0); err == nil {
		t.Error("it can be cut off")
	}
}

func TestTextOfAnotherProgramIsRefused(t *testing.T) {
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/dev/null", filepath.Join(t.TempDir(), "absent")} {
		if shared, err := shareText(path); err == nil {
			shared.close()
			t.Errorf("%s has a text to share", path)
		}
	}
	if shared, err := shareText(own); err == nil { // loaded at a fixed address like Python, perhaps: then it has one
		shared.close()
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
	first, _ := unchanging(program.Progs)
	program.Close()
	if program.Type != elf.ET_EXEC {
		t.Skip("Python has no fixed address here")
	}
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

package jail

import (
	"os"
	"path/filepath"
	"testing"
)

func TestDescribeProgram(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nsjail")
	if _, err := describeProgram(path); err == nil {
		t.Error("a program that is not there was described")
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(path, "abc")
	want := Program{Path: path, SHA256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}
	if got, err := describeProgram(path); err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	want.Image = "registry.example/nsjail@sha256:0123"
	write(path+imageNote, want.Image+"\n")
	if got, err := describeProgram(path); err != nil || got != want {
		t.Errorf("with a note got %+v, %v; want %+v", got, err, want)
	}
}

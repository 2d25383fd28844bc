package asynqscript

import (
	"os"
	"os/exec"
	"testing"
)

// TestTable: the table is that of the asynq which this program is built with.
func TestTable(t *testing.T) {
	c := exec.Command("go", "run", "generate.go")
	c.Stderr = os.Stderr
	want, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("table.go")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Error("asynq has other scripts than table.go: see what has changed in them, and run go generate")
	}
}

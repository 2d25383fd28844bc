package build

import "testing"

func TestVersion(t *testing.T) {
	linked := version
	t.Cleanup(func() { version = linked })

	version = "v1.2.3"
	if got := Version(); got != "v1.2.3" {
		t.Errorf("Version() = %q, want the linker's v1.2.3", got)
	}
	version = ""
	if got := Version(); got == "" {
		t.Error("a binary with no version from the linker has none at all")
	}
}

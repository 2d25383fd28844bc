package jail

import (
	"os"
	"path/filepath"
	"testing"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Folders that nobody may open go, too; where they lead to stays.
func TestRemoveDirectory(t *testing.T) {
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	must(t, os.Mkdir(elsewhere, 0o500))
	dir := filepath.Join(t.TempDir(), "job")
	must(t, os.MkdirAll(filepath.Join(dir, "a", "b"), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "a", "b", "f"), nil, 0o400))
	must(t, os.Symlink(elsewhere, filepath.Join(dir, "a", "l")))
	must(t, os.Chmod(filepath.Join(dir, "a", "b"), 0))
	must(t, os.Chmod(filepath.Join(dir, "a"), 0))
	removeDirectory(dir)
	if _, err := os.Lstat(dir); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", dir, err)
	}
	if info, err := os.Stat(elsewhere); err != nil || info.Mode().Perm() != 0o500 {
		t.Errorf("a link was followed: %v, %v", info, err)
	}
}

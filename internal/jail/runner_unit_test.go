package jail

import (
	"os"
	"os/exec"
	"testing"
)

// TestRunnerUnits runs the runner's own unit tests, which take no jail, with the Python that jobs run in.
func TestRunnerUnits(t *testing.T) {
	t.Parallel()
	const python = "/usr/bin/python3"
	if _, err := os.Stat(python); err != nil {
		t.Skipf("no Python here: %v", err)
	}
	units := exec.Command(python, "-B", "-m", "unittest", "discover", "-s", "runner/tests", "-t", ".")
	out, err := units.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", units.Args, err, out)
	}
	t.Logf("%s", out)
}

// TestRunnerTestsAreNotEmbedded holds that jails are sent the runner and nothing beside it.
func TestRunnerTestsAreNotEmbedded(t *testing.T) {
	entries, err := runnerFiles.ReadDir("runner")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{"__init__.py": true, "boot.py": true}
	for _, name := range runnerModules {
		known[name+".py"] = true
	}
	for _, entry := range entries {
		if !known[entry.Name()] {
			t.Errorf("runner/%s is embedded, and no jail is sent it", entry.Name())
		}
		delete(known, entry.Name())
	}
	for name := range known {
		t.Errorf("runner/%s is sent to jails, and is not embedded", name)
	}
}

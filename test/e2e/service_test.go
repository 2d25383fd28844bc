package e2e

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"safepy/test/harness"
)

// TestService puts every table to each way in which the service is deployed. JAIL_PYTHON and JAIL_PRELOAD are handed on to it:
//
//	JAIL_PYTHON=/opt/python3.13/bin/python3 JAIL_PRELOAD= go test ./test/e2e
func TestService(t *testing.T) {
	env := []string{"JAIL_PRELOAD=auto"}
	for _, name := range []string{"JAIL_PYTHON", "JAIL_PRELOAD"} {
		if value, given := os.LookupEnv(name); given {
			env = append(env, name+"="+value)
		}
	}
	harness.Backends(t, func(t *testing.T, jail string) {
		tables(t, harness.StartService(t, 1, append(env, "JAIL="+jail)...))
	})
	t.Run("standalone", func(t *testing.T) {
		tables(t, harness.StartStandalone(t, env...))
	})
	harness.Orphans(t)
}

func tables(t *testing.T, s *harness.Service) {
	c := newClient(t, s.URL)
	t.Run("contract", func(t *testing.T) { testContract(t, c) })
	for _, table := range []struct {
		name     string
		programs []program
	}{
		{"main", mains}, {"syntax", syntax}, {"types", types}, {"numpy", numpyPrograms}, {"pandas", pandasPrograms}, {"inputs", inputs}, {"output", output},
		{"machine", machine.programs()},
	} {
		t.Run(table.name, func(t *testing.T) {
			for _, p := range table.programs {
				t.Run(p.name, func(t *testing.T) { p.test(t, c) })
			}
		})
	}
	t.Run("libraries", func(t *testing.T) { testLibraries(t, c) })
	t.Run("streams", func(t *testing.T) { testStreams(t, c) })
	t.Run("files", func(t *testing.T) { testFiles(t, c) })
	t.Run("files of every end", func(t *testing.T) { testFilesOfEveryEnd(t, c) })
	t.Run("program mode", func(t *testing.T) { testProgramMode(t, c) })
	t.Run("events", func(t *testing.T) { testEvents(t, c) })
	t.Run("cases", func(t *testing.T) { testCases(t, c) })
	t.Run("ends", func(t *testing.T) { testEnds(t, c) })
	t.Run("wrong", func(t *testing.T) {
		for _, w := range wrong {
			t.Run(w.name, func(t *testing.T) { w.test(t, c) })
		}
	})
	t.Run("malformed", func(t *testing.T) { testMalformed(t, c) })
	t.Run("hostile", func(t *testing.T) { testHostile(t, c) })
}

// program is a correct one, and what it answers, byte for byte.
type program struct {
	name, script   string
	result, stdout string
	args, stdin    string
	files          []file
}

// needsLibraries skips a script that imports what JAIL_PRELOAD says is not there.
func needsLibraries(t *testing.T, script string) {
	t.Helper()
	preload, given := os.LookupEnv("JAIL_PRELOAD")
	for _, library := range []string{"numpy", "pandas"} {
		if given && !strings.Contains(preload, library) && strings.Contains(script, "import "+library) {
			t.Skip("JAIL_PRELOAD is without " + library)
		}
	}
}

func (p program) test(t *testing.T, c *client) {
	needsLibraries(t, p.script)
	r := request{Script: source(p.script), Stdin: p.stdin, Files: p.files}
	if p.args != "" {
		r.Args = json.RawMessage(p.args)
	}
	result, stdout := c.execute(t, r).succeeded(t)
	if result != p.result {
		t.Errorf("result\n got %s\nwant %s", result, p.result)
	}
	if stdout != p.stdout {
		t.Errorf("stdout\n got %q\nwant %q", stdout, p.stdout)
	}
}

package main

import (
	"os/exec"
	"strings"
	"testing"
)

func TestProbe(t *testing.T) {
	for _, c := range []struct{ jail, program string }{{"nsjail", "nsjail"}, {"bubblewrap", "bwrap"}} {
		t.Run(c.jail, func(t *testing.T) {
			if _, err := exec.LookPath(c.program); err != nil {
				t.Skipf("%s is not on PATH", c.program)
			}
			settings := map[string]string{"JAIL": c.jail, "JAIL_ISOLATION": "auto"}
			lookup := func(name string) (string, bool) { value, ok := settings[name]; return value, ok }
			var table strings.Builder
			if err := run(t.Context(), []string{"probe"}, lookup, nil, &table, t.Output()); err != nil {
				t.Fatal(err)
			}
			t.Log(table.String())
			for _, want := range []string{"backend " + c.jail, "program /", "sha256 ", "WALL ", "system calls ", "the job's seccomp filter", "memory: "} {
				if !strings.Contains(table.String(), want) {
					t.Errorf("the table lacks %q", want)
				}
			}
			if strings.Contains(table.String(), "NO: ") {
				t.Error("a wall does not stand, and probe is content")
			}
		})
	}
}

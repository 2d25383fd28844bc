package config

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestCommandLine(t *testing.T) {
	for _, c := range []struct {
		args  []string
		env   map[string]string
		words []string
		// said is on stdout, wrong in the error.
		said, wrong string
	}{
		{args: nil},
		{args: []string{"exec", "-"}, words: []string{"exec", "-"}},
		{args: []string{"--help"}, said: "usage: worker\n\nVARIABLE"},
		{args: []string{"--version"}, said: "worker " + BuildVersion() + "\n"},
		{args: []string{"--version"}, env: map[string]string{"JOB_TIMEOUT": "soon"}, said: "worker "},
		{args: []string{"--port=1"}, wrong: "not defined: -port"},
		{args: []string{"probe"}, env: map[string]string{"JOB_TIMEOUT": "soon"}, wrong: "JOB_TIMEOUT"},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			var stdout strings.Builder
			words, err := CommandLine(&Worker{}, "worker", "usage: worker\n\n", c.args, environ(c.env), &stdout, t.Output())
			if !slices.Equal(words, c.words) {
				t.Errorf("words %q, want %q", words, c.words)
			}
			if !strings.HasPrefix(stdout.String(), c.said) || errors.Is(err, ErrHandled) != (c.said != "") {
				t.Errorf("said %q, %v; want %q", stdout.String(), err, c.said)
			}
			if c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong)) || c.wrong == "" && c.said == "" && err != nil {
				t.Errorf("got %v, want %q", err, c.wrong)
			}
		})
	}
}

package docs

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"safepy/test/harness"
)

// again is how long an example that answers differently is asked again: a job takes a moment to be running, and on a busy machine
// also to say where it was when its time was over.
const again = 5 * time.Second

func TestExamples(t *testing.T) {
	for _, program := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not on PATH (Debian: apt-get install %s)", program, program)
		}
	}
	_, nsjail := exec.LookPath("nsjail")
	if _, bwrap := exec.LookPath("bwrap"); nsjail != nil && bwrap != nil {
		t.Skip("neither nsjail nor bwrap is on PATH (Debian: apt-get install bubblewrap)")
	}
	for _, document := range documents(t) {
		all, err := examples(read(t, document))
		if err != nil {
			t.Fatalf("%s: %v", document, err)
		}
		var order []string
		groups := map[string][]example{}
		for _, e := range all {
			if groups[e.env] == nil {
				order = append(order, e.env)
			}
			groups[e.env] = append(groups[e.env], e)
		}
		for _, env := range order {
			t.Run(strings.TrimSpace(document+" "+env), func(t *testing.T) { runAll(t, document, env, groups[env]) })
		}
	}
}

// runAll runs the examples of one document that are for the same settings, in their order, against one standalone.
func runAll(t *testing.T, document, env string, all []example) {
	service := harness.StartStandalone(t, strings.Fields(env)...)
	s := &session{host: strings.TrimPrefix(service.URL, "http://"), dir: t.TempDir(), ids: map[string]string{}}
	program, err := harness.Binary("worker")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Dir(program), filepath.Join(s.dir, "bin")); err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		if err := s.try(e); err != nil {
			t.Errorf("%s:%d: %s\n%v", document, e.line, strings.TrimSpace(e.command), err)
		}
	}
}

// session is a reader who follows a document.
type session struct {
	host string // of the service, in the place of localhost:8080
	dir  string
	// ids are those that this run has, by those that stand in the document.
	ids map[string]string
}

func (s *session) try(e example) error {
	pause := time.NewTicker(100 * time.Millisecond)
	defer pause.Stop()
	for end := time.Now().Add(again); ; <-pause.C {
		got, err := s.run(e.command)
		if err == nil {
			err = s.compare(e, got)
		}
		if err == nil || time.Now().After(end) {
			return err
		}
	}
}

func (s *session) run(command string) (string, error) {
	command = strings.ReplaceAll(command, "localhost:8080", s.host)
	for theirs, ours := range s.ids {
		command = strings.ReplaceAll(command, theirs, ours)
	}
	ctx, cancel := context.WithTimeout(context.Background(), harness.Patience)
	defer cancel()
	bash := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", command)
	bash.Dir = s.dir
	// As standalone does: a machine that makes no namespaces can follow the documents too.
	bash.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "JAIL_ISOLATION=auto"}
	out, err := bash.Output()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return string(out), nil
}

// Package typescript makes a TypeScript client out of the service's description, compiles a program against it and runs jobs with that.
package typescript

import (
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"safepy/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m, 0) }

// patience is for what npm, the compiler and node take on a busy machine.
const patience = 10 * time.Minute

// unreachable is what npm says where there is no way to its registry.
var unreachable = regexp.MustCompile(`\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ERR_SOCKET_TIMEOUT|E50[234]|E403)\b`)

func TestClient(t *testing.T) {
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not on PATH (Debian: apt-get install nodejs npm)", program)
		}
	}
	_, nsjail := exec.LookPath("nsjail")
	if _, bwrap := exec.LookPath("bwrap"); nsjail != nil && bwrap != nil {
		t.Skip("neither nsjail nor bwrap is on PATH (Debian: apt-get install bubblewrap)")
	}
	dir := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json", "tsconfig.json", "client.ts"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := run(t, dir, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1", "--fetch-timeout=60000"); err != nil {
		if why := unreachable.FindString(out); why != "" {
			t.Skipf("npm does not reach its registry: %s", why)
		}
		t.Fatalf("npm ci: %v: %s", err, out)
	}
	service := harness.StartStandalone(t)
	describe(t, service.URL, filepath.Join(dir, "openapi.json"))
	for _, command := range [][]string{
		{"openapi-typescript", "openapi.json", "--output", "schema.d.ts"},
		{"tsc"},
	} {
		if out, err := run(t, dir, filepath.Join("node_modules/.bin", command[0]), command[1:]...); err != nil {
			t.Fatalf("%v: %v: %s", command, err, out)
		}
	}
	out, err := run(t, dir, "node", "out/client.js", service.URL)
	if err != nil || !regexp.MustCompile(`(?m)^job \S+ ran$`).MatchString(out) {
		t.Errorf("%v: %s", err, out)
	}
}

func run(t *testing.T, dir, program string, args ...string) (out string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if strings.Contains(program, "/") {
		program = filepath.Join(dir, program)
	}
	command := exec.CommandContext(ctx, program, args...)
	command.Dir = dir
	all, err := command.CombinedOutput()
	return string(all), err
}

// describe keeps the service's own description in a file.
func describe(t *testing.T, url, path string) {
	t.Helper()
	client := &http.Client{Timeout: harness.Patience, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get(url + "/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("GET /openapi.json: %s, %v", answer.Status, err)
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

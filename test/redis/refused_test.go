package redis

import (
	"context"
	"os/exec"
	"strings"
	"testing"

	"safepy/test/harness"
	"safepy/test/ports"
)

// testRefused: on a Redis that would lose jobs, or does not let anybody in, no process starts, and each says why.
func testRefused(t *testing.T) {
	t.Parallel()
	evicting := harness.StartRedis(t, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
	locked := harness.StartRedis(t, "--requirepass", "secret")
	port := ports.For(t)
	tls := harness.StartKind(t, "tls")
	harness.StartRedis(t, "--port", port, "--user", "default", "off", "--user", "ann", "on", ">right", "~*", "&*", "+@all")
	for _, c := range []struct{ name, url, want string }{
		{"evicts", evicting.URL, "noeviction"},
		{"wants a password", locked.URL, "NOAUTH"},
		{"knows another password", "redis://ann:wrong@127.0.0.1:" + port, "WRONGPASS"},
		{"has a certificate of nobody's", tls.URL, "certificate"},
	} {
		for _, program := range []string{"api", "worker", "standalone"} {
			t.Run(program+" "+c.name, func(t *testing.T) {
				path, err := harness.Binary(program)
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), harness.Patience)
				defer cancel()
				cmd := exec.CommandContext(ctx, path)
				cmd.Env = []string{"PATH=/usr/bin:/bin", "REDIS_URL=" + c.url, "LISTEN_ADDR=127.0.0.1:0", "WORKER_ADDR=127.0.0.1:0", "JAIL_PRELOAD="}
				out, err := cmd.CombinedOutput()
				if err == nil || ctx.Err() != nil {
					t.Errorf("it started: %v", err)
				}
				last := out[strings.LastIndexByte(strings.TrimSpace(string(out)), '\n')+1:]
				if !strings.Contains(string(last), c.want) || strings.Contains(string(out), "wrong") && strings.Contains(c.url, "wrong@") {
					t.Errorf("said %q, want %q in the last line and no password", out, c.want)
				}
				t.Logf("%s", last)
			})
		}
	}
}

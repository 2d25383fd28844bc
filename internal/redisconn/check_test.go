package redisconn_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"

	"safepy/internal/localredis"
	"safepy/internal/redisconn"
)

func TestCheck(t *testing.T) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("needs redis-server on PATH")
	}
	// Not t.TempDir: a unix socket's path must be short.
	dir, err := os.MkdirTemp("", "redisconn")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	ctx := context.Background()
	server, err := localredis.Start(ctx, dir, 0, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	rdb, err := redisconn.Open(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rdb.Close() })
	if err := redisconn.Check(ctx, rdb); err != nil {
		t.Error(err)
	}
	for _, policy := range []string{"allkeys-lru", "volatile-ttl"} {
		if err := rdb.ConfigSet(ctx, "maxmemory-policy", policy).Err(); err != nil {
			t.Fatal(err)
		}
		err := redisconn.Check(ctx, rdb)
		if err == nil || !strings.Contains(err.Error(), policy) || !strings.Contains(err.Error(), "noeviction") ||
			errors.Is(err, redisconn.ErrAway) {
			t.Errorf("%s: %v", policy, err)
		}
	}
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	if err := redisconn.Check(ctx, rdb); !errors.Is(err, redisconn.ErrAway) {
		t.Errorf("no Redis: %v", err)
	}
}

// Package redis puts the service on Redis as people have it: a cluster, sentinels, TLS, users, Valkey; and on a Redis that is
// full, read-only, slow, away, or set up to lose data. It speaks HTTP to the service and breaks Redis from beside it.
//
// The whole end-to-end suite runs on any of them, too: go test ./test/e2e -redis cluster.
package redis

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"safepy/test/harness"
)

func TestMain(m *testing.M) {
	if err := harness.Adopt(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	flag.Parse()
	// Much of this is waiting for a Redis that does not answer.
	if err := flag.Set("test.parallel", "4"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

func TestRedis(t *testing.T) {
	t.Run("side by side", func(t *testing.T) {
		t.Run("kinds", testKinds)
		t.Run("outages", testOutages)
		t.Run("refused", testRefused)
	})
	harness.Orphans(t)
}

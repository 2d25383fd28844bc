// Package redis puts the service on Redis as people have it: a cluster, sentinels, TLS, users, Valkey; and on a Redis that is
// full, read-only, slow, away, or set up to lose data. It speaks HTTP to the service and breaks Redis from beside it.
//
// The whole end-to-end suite runs on any of them, too: go test ./test/e2e -redis cluster.
package redis

import (
	"testing"

	"safepy/test/harness"
)

// Much of this is waiting for a Redis that does not answer.
func TestMain(m *testing.M) { harness.Main(m, 4) }

func TestRedis(t *testing.T) {
	t.Run("side by side", func(t *testing.T) {
		t.Run("kinds", testKinds)
		t.Run("outages", testOutages)
		t.Run("refused", testRefused)
	})
	harness.Orphans(t)
}

// Package chaos breaks the service under load, process by process and connection by connection, and counts afterwards: every job
// that was accepted has exactly one final state. It runs for about a minute; with -full for several, as `make chaos` does.
package chaos

import (
	"testing"

	"safepy/test/harness"
)

// One test per core is for tests that compute. These wait: for leases to run out.
func TestMain(m *testing.M) { harness.Main(m, 8) }

// TestChaos runs everything side by side, for most of the time is spent on waiting for leases to run out. Whatever was killed,
// no process stays behind.
func TestChaos(t *testing.T) {
	t.Run("side by side", func(t *testing.T) {
		t.Run("load", testLoad)
		t.Run("worker killed", testWorkerKilled)
		t.Run("worker stopped", testWorkerStopped)
		t.Run("worker killed by its job", testWorkerKilledAgain)
		t.Run("redis restarted", testRedisRestarted)
	})
	harness.Orphans(t)
}

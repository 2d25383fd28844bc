package harness

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/redis/go-redis/v9"
)

// Redis is a redis-server of a test's own, on a unix socket or on a port.
type Redis struct {
	*Process
	// URL is for REDIS_URL.
	URL string
	// Socket is the unix socket that it also listens on, whatever the URL says.
	Socket string
	// Env are the settings, beside REDIS_URL, that a process of the service needs for this Redis.
	Env []string
	// Peers are the other servers that belong to it: the rest of a cluster, or a replica.
	Peers []*Redis

	t    testing.TB
	args []string
}

// StartRedis starts a redis-server that persists into a folder of the test's; it skips the test where there is none. extra are
// further arguments, such as "--port", "6390" for one that listens on TCP as well.
func StartRedis(t testing.TB, extra ...string) *Redis {
	t.Helper()
	return startServer(t, "redis-server", "Debian: apt-get install redis-server", extra...)
}

func startServer(t testing.TB, name, hint string, extra ...string) *Redis {
	t.Helper()
	program, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not on PATH (%s)", name, hint)
	}
	dir, err := os.MkdirTemp("", "redis") // short: a socket's path holds 107 bytes, and a test's own folder bears its name
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	r := &Redis{t: t, URL: "unix://" + socket, Socket: socket, args: append([]string{
		program, "--port", "0", "--unixsocket", socket, "--dir", dir, "--save", "", "--appendonly", "yes", "--appendfsync", "everysec",
		"--maxmemory-policy", "noeviction", "--daemonize", "no",
	}, extra...)}
	r.Start()
	return r
}

// Client speaks to the server itself, past the service, until the test ends.
func (r *Redis) Client(t testing.TB) *redis.Client {
	t.Helper()
	rdb := redis.NewClient(&redis.Options{Network: "unix", Addr: r.Socket})
	t.Cleanup(func() { rdb.Close() })
	return rdb
}

// Start brings the server back after Stop or Kill, with the data it had written.
func (r *Redis) Start() {
	r.t.Helper()
	r.Process = StartCommand(r.t, "redis", exec.Command(r.args[0], r.args[1:]...))
	r.Await("(?i)ready to accept connections")
}

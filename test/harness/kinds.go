package harness

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"safepy/test/ports"
)

// Full is set for the long forms of the suites: go test ./test/chaos -full.
var Full = flag.Bool("full", false, "minutes of chaos instead of seconds")

var kind = flag.String("redis", "plain", "the kind of Redis that StartService puts beneath the service: "+strings.Join(Kinds, ", "))

// Kinds are the ways in which people have their Redis.
var Kinds = []string{"plain", "user", "tls", "sentinel", "cluster", "valkey"}

// StartKind starts one of Kinds, each of its servers with the extra arguments. It skips the test where this machine has none.
func StartKind(t testing.TB, kind string, extra ...string) *Redis {
	t.Helper()
	switch kind {
	case "plain":
		return StartRedis(t, extra...)
	case "valkey":
		return startServer(t, "valkey-server", "Debian 13: apt-get install valkey-server", extra...)
	case "user":
		return startWithUser(t, extra)
	case "tls":
		return startWithTLS(t, extra)
	case "sentinel":
		return startSentinel(t, extra)
	case "cluster":
		return startCluster(t, extra)
	}
	t.Fatalf("-redis %s: unknown; one of %v", kind, Kinds)
	return nil
}

// startWithUser has a user with what an administrator would give a service: its own keys and channels, and nothing dangerous, by
// which Redis also means INFO and CONFIG. Name and password need escaping in a URL.
//
// The default user has a password and keeps its rights. When it is switched off, Redis (redis/redis#14541, mended late in 2025) and Valkey
// (valkey-io/valkey#3983) throw away at their next start whatever scripts had written to the append-only file: all jobs.
func startWithUser(t testing.TB, extra []string) *Redis {
	port := ports.For(t)
	r := StartRedis(t, append(extra, "--port", port, "--user", "default", "on", ">somebody else's", "~*", "&*", "+@all",
		"--user", "py@service", "on", ">p@ss:w/rd", "~asynq:*", "~safepy:*", "&asynq:*", "&safepy:*", "+@all", "-@dangerous")...)
	r.URL = "redis://py%40service:p%40ss%3Aw%2Frd@127.0.0.1:" + port + "/0"
	return r
}

// startWithTLS takes nothing but TLS, with a certificate of an authority that only this test knows.
func startWithTLS(t testing.TB, extra []string) *Redis {
	dir, port := t.TempDir(), ports.For(t)
	authority := makeCertificates(t, dir)
	r := StartRedis(t, append(extra, "--tls-port", port, "--tls-auth-clients", "no", "--tls-ca-cert-file", authority,
		"--tls-cert-file", filepath.Join(dir, "server.pem"), "--tls-key-file", filepath.Join(dir, "server.key"))...)
	r.URL = "rediss://127.0.0.1:" + port + "/0"
	r.Env = []string{"SSL_CERT_FILE=" + authority}
	return r
}

// startSentinel makes a master with a password, a replica, and three sentinels of which two must agree that it is gone, after a
// second.
func startSentinel(t testing.TB, extra []string) *Redis {
	const password = "secret"
	masterPort, replicaPort := ports.For(t), ports.For(t)
	auth := append(slices.Clip(extra), "--requirepass", password, "--masterauth", password)
	r := StartRedis(t, append(slices.Clip(auth), "--port", masterPort)...)
	replica := StartRedis(t, append(slices.Clip(auth), "--port", replicaPort, "--replicaof", "127.0.0.1", masterPort)...)
	r.Peers = []*Redis{replica}
	await(t, "the replica follows", func(ctx context.Context) bool {
		rdb := redis.NewClient(&redis.Options{Network: "unix", Addr: replica.Socket, Password: password})
		defer rdb.Close()
		return strings.Contains(rdb.Info(ctx, "replication").Val(), "master_link_status:up")
	})
	var addrs []string
	for i := range 3 {
		port := ports.For(t)
		addrs = append(addrs, "127.0.0.1:"+port)
		conf := filepath.Join(t.TempDir(), "sentinel.conf") // which it writes to
		text := fmt.Sprintf("port %s\nsentinel monitor mymaster 127.0.0.1 %s 2\nsentinel auth-pass mymaster %s\n"+
			"sentinel down-after-milliseconds mymaster 1000\nsentinel failover-timeout mymaster 5000\n", port, masterPort, password)
		if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		StartCommand(t, "sentinel"+strconv.Itoa(i), exec.Command("redis-server", conf, "--sentinel"))
	}
	await(t, "the sentinels know each other and the replica", func(ctx context.Context) bool {
		for _, addr := range addrs {
			rdb := redis.NewSentinelClient(&redis.Options{Addr: addr})
			master := rdb.Master(ctx, "mymaster").Val()
			rdb.Close()
			if master["num-other-sentinels"] != "2" || master["num-slaves"] != "1" {
				return false
			}
		}
		return true
	})
	r.URL = "redis-sentinel://:" + password + "@" + strings.Join(addrs, ",") + "/mymaster/0"
	return r
}

// startCluster makes three masters without replicas, a third of the slots each.
func startCluster(t testing.TB, extra []string) *Redis {
	const masters, slots = 3, 16384
	var nodes []*Redis
	var clients []*redis.Client
	var addrs []string
	for i := range masters {
		port, bus := ports.For(t), ports.For(t)
		node := StartRedis(t, append(slices.Clip(extra), "--port", port, "--cluster-enabled", "yes", "--cluster-port", bus, "--cluster-node-timeout", "5000")...)
		rdb := redis.NewClient(&redis.Options{Network: "unix", Addr: node.Socket})
		defer rdb.Close()
		nodes, clients, addrs = append(nodes, node), append(clients, rdb), append(addrs, "127.0.0.1:"+port)
		ctx := context.Background()
		err := rdb.ClusterAddSlotsRange(ctx, i*slots/masters, (i+1)*slots/masters-1).Err()
		if err == nil {
			err = rdb.Do(ctx, "cluster", "set-config-epoch", i+1).Err()
		}
		if err == nil && i > 0 {
			err = clients[0].Do(ctx, "cluster", "meet", "127.0.0.1", port, bus).Err()
		}
		if err != nil {
			t.Fatalf("make a cluster: %v", err)
		}
	}
	await(t, "the cluster stands", func(ctx context.Context) bool {
		for _, rdb := range clients {
			info := rdb.ClusterInfo(ctx).Val()
			if !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, "cluster_size:3") {
				return false
			}
		}
		return true
	})
	r := nodes[0]
	r.Peers = nodes[1:]
	r.URL = "redis-cluster://" + strings.Join(addrs, ",")
	r.Env = []string{"QUEUE_SHARDS=3"}
	return r
}

// await asks until the answer is yes. For what only Redis itself can tell.
func await(t testing.TB, what string, ok func(context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for !ok(ctx) {
		select {
		case <-ctx.Done():
			t.Fatalf("not within %s: %s", Patience, what)
		case <-again.C:
		}
	}
}

package jobs

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"safepy/internal/localredis"
	"safepy/internal/redisconn"
	"safepy/test/ports"
)

// endToEnd is what must work on every kind of Redis.
func endToEnd(t *testing.T, client func() redis.UniversalClient) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	rdb := client()
	if err := redisconn.Check(ctx, rdb); err != nil {
		t.Errorf("check: %v", err)
	}
	q := newTestQueue(t, rdb, QueueOptions{Limit: 1000, ClientInFlight: 100})
	other := newTestQueue(t, client(), QueueOptions{})
	queued := submit(t, q, "x", SubmitOptions{Client: "ann"})
	if j, err := q.Cancel(ctx, queued.ID); err != nil || j.Status != Canceled {
		t.Errorf("cancel queued: %+v, %v", j, err)
	}
	run := newBlocking()
	stop := serve(t, client(), run, ServerOptions{Concurrency: 2})
	running := submit(t, q, "x", SubmitOptions{Client: "ann"})
	began(t, run)
	if j, err := other.Cancel(ctx, running.ID); err != nil || j.Status != Canceled || j.Stdout != "so far" {
		t.Errorf("cancel running: %+v, %v", j, err)
	}
	lost := submit(t, q, "lost", SubmitOptions{Client: "ann", Reply: true})
	began(t, run)
	expireLeases(t, rdb, q.layout)
	began(t, run)
	close(run.goOn)
	// Both runs end now, and either's outcome may be first.
	if j := wait(t, q, lost.ID); j.Status != Completed || j.Attempts != 2 {
		t.Errorf("lost: %+v", j)
	}
	stop()
	serve(t, client(), runnerFunc(echo), ServerOptions{Concurrency: 4})
	eventually(t, 5*time.Second, "ready", func() bool { return q.Ready(ctx) == nil })
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			script := strconv.Itoa(i)
			var j *Job
			err := ErrUnavailable
			for errors.Is(err, ErrUnavailable) && ctx.Err() == nil { // sixty at once are much for the Redis in memory on a busy machine
				j, err = q.Submit(ctx, &Request{Script: script, Priority: priorities[i%3]},
					SubmitOptions{Reply: i%2 == 0, Client: []string{"", "ann"}[i%2], IdempotencyKey: script})
			}
			if err != nil {
				t.Error(err)
				return
			}
			w := []*Queue{q, other}[i/2%2]
			if j, err = w.Wait(ctx, j.ID, 30*time.Second); err != nil || j.Status != Completed || string(j.Result) != strconv.Quote(script) {
				t.Errorf("%+v, %v", j, err)
			}
		})
	}
	wg.Wait()
	page, err := q.List(ctx, ListOptions{Status: Completed, Limit: 100})
	if err != nil || len(page.Jobs) != 61 {
		t.Errorf("list: %d jobs, %v", len(page.Jobs), err)
	}
}

func TestConnectUser(t *testing.T) {
	t.Parallel()
	port := ports.For(t)
	startRedis(t, "--port", port, "--user", "default", "off", "--user", "safe", "on", ">p@ss:w/rd", "~*", "&*", "+@all")
	url := "redis://safe:p%40ss%3Aw%2Frd@127.0.0.1:" + port + "/2"
	endToEnd(t, func() redis.UniversalClient { return open(t, url) })
	if err := redisconn.Check(context.Background(), open(t, "redis://safe:wrong@127.0.0.1:"+port)); err == nil {
		t.Error("a wrong password passes")
	}
}

func TestConnectTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certificate(t, dir)
	port := ports.For(t)
	startRedis(t, "--tls-port", port, "--tls-cert-file", filepath.Join(dir, "cert.pem"), "--tls-key-file", filepath.Join(dir, "key.pem"),
		"--tls-auth-clients", "no")
	endToEnd(t, func() redis.UniversalClient { return open(t, "rediss://127.0.0.1:"+port+"/?skip_verify=true") })
	if err := redisconn.Check(context.Background(), open(t, "rediss://127.0.0.1:"+port)); err == nil {
		t.Error("a certificate of nobody's passes")
	}
}

func TestConnectSentinel(t *testing.T) {
	t.Parallel()
	port, sentinel := ports.For(t), ports.For(t)
	startRedis(t, "--port", port, "--requirepass", "secret")
	conf := filepath.Join(t.TempDir(), "sentinel.conf")
	text := fmt.Sprintf("port %s\nsentinel monitor mymaster 127.0.0.1 %s 1\nsentinel auth-pass mymaster secret\n", sentinel, port)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	startSentinel(t, conf, sentinel)
	endToEnd(t, func() redis.UniversalClient {
		return open(t, "redis-sentinel://:secret@127.0.0.1:"+sentinel+",127.0.0.1:"+sentinel+"/mymaster/1")
	})
}

func TestConnectCluster(t *testing.T) {
	t.Parallel()
	urls := startCluster(t)
	endToEnd(t, func() redis.UniversalClient { return open(t, urls) })
}

func TestConnectEmbedded(t *testing.T) {
	t.Setenv("PATH", t.TempDir()) // no redis-server there
	i, err := localredis.Start(context.Background(), t.TempDir(), 0, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.Close() })
	endToEnd(t, i.Client)
}

// startCluster makes three masters and returns their URL.
func startCluster(t *testing.T) string {
	t.Helper()
	ctx := context.Background()
	var nodes []*redis.Client
	var addrs []string
	for i := range 3 {
		port, bus := ports.For(t), ports.For(t)
		startRedis(t, "--port", port, "--cluster-enabled", "yes", "--cluster-port", bus)
		rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + port})
		t.Cleanup(func() { rdb.Close() })
		nodes, addrs = append(nodes, rdb), append(addrs, "127.0.0.1:"+port)
		if err := rdb.ClusterAddSlotsRange(ctx, i*16384/3, (i+1)*16384/3-1).Err(); err != nil {
			t.Fatal(err)
		}
		if err := rdb.Do(ctx, "cluster", "set-config-epoch", i+1).Err(); err != nil {
			t.Fatal(err)
		}
		if err := nodes[0].Do(ctx, "cluster", "meet", "127.0.0.1", port, bus).Err(); i > 0 && err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, 20*time.Second, "the cluster is up", func() bool {
		for _, n := range nodes {
			info := n.ClusterInfo(ctx).Val()
			if !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, "cluster_size:3") {
				return false
			}
		}
		return true
	})
	return "redis-cluster://" + strings.Join(addrs, ",")
}

// startSentinel is startRedis for a server that only watches.
func startSentinel(t *testing.T, conf, port string) {
	t.Helper()
	cmd := exec.Command("redis-server", conf, "--sentinel")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + port})
	defer rdb.Close()
	eventually(t, 10*time.Second, "the sentinel knows its master", func() bool {
		return rdb.Do(context.Background(), "sentinel", "get-master-addr-by-name", "mymaster").Err() == nil
	})
}

func certificate(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "redis"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter:    time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: cert},
		"key.pem": {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

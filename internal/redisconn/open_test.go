package redisconn

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

func TestOpen(t *testing.T) {
	for _, url := range []string{
		"redis://h", "redis://u:p@h:1/2", "rediss://h:6380", "unix:///tmp/s.sock?db=1", "redis://[::1]:7",
		"redis-sentinel://a:1,b:2/master", "redis-sentinel://u:p@a/m/3?sentinel_password=x", "rediss-sentinel://a/m",
		"redis-cluster://a:1,b:2,c:3", "rediss-cluster://u:p@a", "redis-cluster://a?dial_timeout=3s",
	} {
		rdb, err := Open(url)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		rdb.Close()
	}
	for _, url := range []string{
		"", "localhost:6379", "http://h", "redis://u:pass%word@h", "redis://h/notanumber", "redis-sentinel://a:1", "redis-sentinel://a/m/n/o",
		"redis-cluster://a,,b", "redis://h?nonsense=1",
	} {
		rdb, err := Open(url)
		if err == nil {
			rdb.Close()
			t.Errorf("%s: accepted", url)
		} else if strings.Contains(err.Error(), "pass%word") {
			t.Errorf("the password is in %q", err)
		}
	}
}

func TestProtocol(t *testing.T) {
	for url, want := range map[string]int{"redis://h": 2, "redis://h?protocol=3": 3, "redis-sentinel://a:1/m": 2,
		"redis-cluster://a:1,b:2": 2} {
		rdb, err := Open(url)
		if err != nil {
			t.Fatal(err)
		}
		defer rdb.Close()
		got := 0
		switch c := rdb.(type) {
		case *redis.Client:
			got = c.Options().Protocol
		case *redis.ClusterClient:
			got = c.Options().Protocol
		}
		if got != want {
			t.Errorf("%s: RESP%d, want RESP%d", url, got, want)
		}
	}
}

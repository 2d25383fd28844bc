// Package redisconn opens the connection to Redis from its URL, and says whether the Redis behind it can hold a queue. It knows
// nothing of what is kept there.
package redisconn

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"runtime"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// How long a Redis that does not answer is waited for.
const (
	dialTimeout = time.Second
	readTimeout = 3 * time.Second
)

// protocol is RESP2: with RESP3 the client looks for notifications before each reply, which nothing here asks for.
const protocol = 2

// Open makes a client for redis://, rediss://, unix://, redis-sentinel://, rediss-sentinel://, redis-cluster:// and
// rediss-cluster:// with user:password@ and go-redis' query options. Sentinels and cluster nodes are a comma-separated list
// of host:port; a sentinel URL names its master and database in the path:
//
//	redis-sentinel://user:password@s1:26379,s2:26379/mymaster/0?sentinel_password=...
//	redis-cluster://n1:6379,n2:6379,n3:6379
//
// It does not connect. User and password of a sentinel URL are those of the master.
func Open(rawURL string) (redis.UniversalClient, error) {
	scheme, rest, ok := strings.Cut(rawURL, "://")
	if !ok {
		return nil, errors.New("redis url: want redis://, rediss://, redis-sentinel://, redis-cluster:// or unix://")
	}
	switch scheme {
	case "redis", "rediss", "unix":
		return openSingle(rawURL)
	case "redis-sentinel", "rediss-sentinel":
		return openSentinel(strings.TrimSuffix(scheme, "-sentinel"), rest)
	case "redis-cluster", "rediss-cluster":
		return openCluster(strings.TrimSuffix(scheme, "-cluster"), rest)
	}
	return nil, fmt.Errorf("redis url: unknown scheme %q", scheme)
}

func openSingle(rawURL string) (redis.UniversalClient, error) {
	o, err := redis.ParseURL(rawURL)
	if err != nil {
		return nil, hidePassword(err, rawURL)
	}
	Configure(o)
	return redis.NewClient(o), nil
}

func openSentinel(scheme, rest string) (redis.UniversalClient, error) {
	u, hosts, err := splitHosts(scheme, rest)
	if err != nil {
		return nil, err
	}
	path := strings.Split(strings.Trim(u.Path, "/"), "/")
	if path[0] == "" || len(path) > 2 {
		return nil, errors.New("redis-sentinel url: want redis-sentinel://host:port,.../<master name>/<database>")
	}
	u.Path = ""
	if len(path) == 2 {
		u.Path = "/" + path[1]
	}
	user := u.User
	u.User = nil
	q := u.Query()
	q.Set("master_name", path[0])
	sentinelUser, sentinelPassword := q.Get("sentinel_username"), q.Get("sentinel_password")
	q.Del("sentinel_username")
	q.Del("sentinel_password")
	for _, h := range hosts[1:] {
		q.Add("addr", h)
	}
	u.RawQuery = q.Encode()
	o, err := redis.ParseFailoverURL(u.String())
	if err != nil {
		return nil, hidePassword(err, u.String())
	}
	o.SentinelUsername, o.SentinelPassword = sentinelUser, sentinelPassword
	if user != nil {
		o.Username = user.Username()
		o.Password, _ = user.Password()
	}
	o.ContextTimeoutEnabled = true
	setDefaults(&o.DialTimeout, &o.ReadTimeout, &o.PoolSize, &o.DialerRetries, &o.Protocol)
	return redis.NewFailoverClient(o), nil
}

func openCluster(scheme, rest string) (redis.UniversalClient, error) {
	u, hosts, err := splitHosts(scheme, rest)
	if err != nil {
		return nil, err
	}
	q := u.Query()
	for _, h := range hosts[1:] {
		q.Add("addr", h)
	}
	u.RawQuery = q.Encode()
	o, err := redis.ParseClusterURL(u.String())
	if err != nil {
		return nil, hidePassword(err, u.String())
	}
	o.ContextTimeoutEnabled = true
	setDefaults(&o.DialTimeout, &o.ReadTimeout, &o.PoolSize, &o.DialerRetries, &o.Protocol)
	o.MaintNotificationsConfig = noMaintenance()
	return redis.NewClusterClient(o), nil
}

// splitHosts takes the list of hosts out of a URL, since url.Parse knows only one.
func splitHosts(scheme, rest string) (*url.URL, []string, error) {
	authority, tail := rest, ""
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		authority, tail = rest[:i], rest[i:]
	}
	user := ""
	if i := strings.LastIndex(authority, "@"); i >= 0 {
		user, authority = authority[:i+1], authority[i+1:]
	}
	hosts := strings.Split(authority, ",")
	for _, h := range hosts {
		if h == "" {
			return nil, nil, errors.New("redis url: empty host in the list")
		}
	}
	u, err := url.Parse(scheme + "://" + user + hosts[0] + tail)
	if err != nil {
		return nil, nil, errors.New("redis url: cannot be parsed (special characters in a password need %-encoding)")
	}
	return u, hosts, nil
}

// hidePassword: url.Parse quotes what it could not read, and errors end up in logs.
func hidePassword(err error, rawURL string) error {
	if e := new(url.Error); errors.As(err, &e) {
		return errors.New("redis url: cannot be parsed (special characters in a password need %-encoding)")
	}
	return fmt.Errorf("redis url: %w", err)
}

// Configure fills in what is not set in the options of one Redis, for whoever makes them without a URL.
func Configure(o *redis.Options) {
	o.ContextTimeoutEnabled = true
	setDefaults(&o.DialTimeout, &o.ReadTimeout, &o.PoolSize, &o.DialerRetries, &o.Protocol)
	o.MaintNotificationsConfig = noMaintenance()
}

// setDefaults fills in what a URL has not set; go-redis has three kinds of options, with the same fields.
func setDefaults(dial, read *time.Duration, pool, retries, resp *int) {
	*dial, *read = cmp.Or(*dial, dialTimeout), cmp.Or(*read, readTimeout)
	*pool, *retries, *resp = cmp.Or(*pool, poolSize()), cmp.Or(*retries, 1), cmp.Or(*resp, protocol)
}

// poolSize leaves room for the connections that wait in a blocking command and for those that are subscribed to a channel.
func poolSize() int { return 16 + 10*runtime.GOMAXPROCS(0) }

// noMaintenance: the hand-over notices of one vendor's cloud cost every other Redis an error per connection.
func noMaintenance() *maintnotifications.Config {
	return &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
}

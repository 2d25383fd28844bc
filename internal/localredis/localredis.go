// Package localredis gives a process a Redis of its own when it was told of none: a redis-server child on a unix socket where
// that program is installed, otherwise one embedded in the process, which forgets everything when the process ends. It is
// for one machine and one process; what is kept in the Redis is none of its business.
package localredis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/redis/go-redis/v9"
)

// poolSize is how many connections the client has at most: one process has a queue, an API and a worker on it.
const poolSize = 64

// Instance is a running Redis. Close it.
type Instance struct {
	client redis.UniversalClient
	url    string
	stop   func() error
}

// Start brings up a Redis that keeps its data in dir, which is created and locked: a second Start with the same dir fails
// as long as the first process lives. maxMemory bounds it in bytes, where it is a redis-server; 0 is no limit. ctx limits the start, not
// the life, which Close ends.
func Start(ctx context.Context, dir string, maxMemory int64, log *slog.Logger) (*Instance, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	lock, err := lockFile(filepath.Join(dir, "standalone.lock"))
	if errors.Is(err, errLocked) {
		return nil, fmt.Errorf("data folder %s is in use by another process; give each its own", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	i, err := start(ctx, dir, maxMemory, log)
	if err != nil {
		lock.Close()
		return nil, err
	}
	stop := i.stop
	i.stop = func() error { return errors.Join(i.client.Close(), stop(), lock.Close()) }
	return i, nil
}

func start(ctx context.Context, dir string, maxMemory int64, log *slog.Logger) (*Instance, error) {
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		log.Warn("no redis-server on PATH: the queue is kept in memory, and jobs will not survive a restart")
		return startEmbedded()
	}
	return startChild(ctx, binary, dir, maxMemory, log)
}

// Client is connected to the instance; Close closes it.
func (i *Instance) Client() redis.UniversalClient { return i.client }

// URL is where other processes of this machine reach it, unix://...; empty when it is embedded.
func (i *Instance) URL() string { return i.url }

// Durable reports whether what is kept survives a restart.
func (i *Instance) Durable() bool { return i.url != "" }

// Close stops the Redis, waits for it, and gives the data folder free.
func (i *Instance) Close() error {
	stop := i.stop
	i.stop = func() error { return nil }
	return stop()
}

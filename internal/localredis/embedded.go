package localredis

import (
	"context"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"safepy/internal/redisconn"
)

// startEmbedded runs miniredis in this process and speaks to it through socket pairs: no port, nothing for others to reach.
// (Its own Dial is a net.Pipe, which holds nothing: with more than a few commands in a pipeline both sides write and
// neither reads.)
func startEmbedded() (*Instance, error) {
	m := miniredis.NewMiniRedis()
	conn, err := m.Dial() // starts it
	if err != nil {
		return nil, err
	}
	conn.Close()
	srv := m.Server()
	options := &redis.Options{
		Addr: "embedded",
		Dialer: func(context.Context, string, string) (net.Conn, error) {
			ours, theirs, err := socketPair()
			if err != nil {
				return nil, err
			}
			srv.ServeConn(theirs)
			return ours, nil
		},
		PoolSize: poolSize,
	}
	redisconn.Configure(options)
	client := redis.NewClient(options)
	done, ticked := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ticked)
		expire(m, done)
	}()
	return &Instance{client: client, stop: func() error {
		close(done)
		<-ticked
		m.Close()
		return nil
	}}, nil
}

// expire lets time pass for keys with a TTL: miniredis leaves that to its owner.
func expire(m *miniredis.Miniredis, done <-chan struct{}) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-done:
			return
		case now := <-tick.C:
			m.FastForward(now.Sub(last))
			last = now
		}
	}
}

func socketPair() (a, b net.Conn, err error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socket pair: %w", err)
	}
	if a, err = connOf(fds[0]); err != nil {
		syscall.Close(fds[1])
		return nil, nil, err
	}
	if b, err = connOf(fds[1]); err != nil {
		a.Close()
		return nil, nil, err
	}
	return a, b, nil
}

// connOf takes over the descriptor.
func connOf(fd int) (net.Conn, error) {
	f := os.NewFile(uintptr(fd), "embedded redis")
	defer f.Close() // FileConn duplicates it
	return net.FileConn(f)
}

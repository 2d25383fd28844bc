package localredis

import (
	"context"
	"net"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// startEmbedded runs miniredis in this process and speaks to it through memory: no port, nothing for others to reach.
func startEmbedded() (*Instance, error) {
	m := miniredis.NewMiniRedis()
	// The first connection starts it, and one that cannot be had is better known now.
	conn, err := m.Dial()
	if err != nil {
		return nil, err
	}
	conn.Close()
	client := redis.NewClient(&redis.Options{
		Addr:                     "embedded",
		Dialer:                   func(context.Context, string, string) (net.Conn, error) { return m.Dial() },
		PoolSize:                 64,
		ContextTimeoutEnabled:    true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
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

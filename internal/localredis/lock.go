package localredis

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"
)

var errLocked = errors.New("locked by another process")

// lockFile takes an exclusive lock that the kernel drops when the last process holding the descriptor is gone.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errLocked
		}
		return nil, err
	}
	return f, nil
}

// waitLock is lockFile for a lock whose holder is about to go. ask is called after each attempt that has failed.
func waitLock(ctx context.Context, path string, ask func()) (*os.File, error) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		f, err := lockFile(path)
		if !errors.Is(err, errLocked) {
			return f, err
		}
		ask()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, err
		}
	}
}

package localredis

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"safepy/internal/redisconn"
)

const (
	// startWithin is for loading the data: 30,000 jobs take 0.6 s.
	startWithin = 30 * time.Second
	// stopWithin is for writing what is buffered; then the child is killed, which loses nothing that was acknowledged more
	// than a second ago even if the machine goes down with it.
	stopWithin = 10 * time.Second
	// longestSocket is what fits into a sockaddr_un.
	longestSocket = 107
)

// child is a redis-server that is started again when it dies, until it is stopped.
type child struct {
	binary string
	args   []string
	lock   *os.File // inherited by every redis-server, so that none is started beside one that still lives
	socket string
	log    *slog.Logger

	stopping chan struct{}
	exited   chan struct{} // the keeper is done

	mu      sync.Mutex
	process *os.Process
}

func startChild(ctx context.Context, binary, dir string, maxMemory int64, log *slog.Logger) (*Instance, error) {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	socket, cleanup, err := socketPath(dir)
	if err != nil {
		return nil, err
	}
	lock, err := takeOver(ctx, filepath.Join(dir, "redis.lock"), socket, log)
	if err != nil {
		cleanup()
		return nil, err
	}
	c := &child{
		binary: binary, lock: lock, socket: socket, log: log, stopping: make(chan struct{}), exited: make(chan struct{}),
		args: []string{
			"--port", "0", "--unixsocket", socket, "--unixsocketperm", "700", "--dir", dir, "--daemonize", "no", "--logfile", "",
			"--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--maxmemory-policy", "noeviction",
			"--maxmemory", strconv.FormatInt(maxMemory, 10),
		},
	}
	failed := make(chan error, 1)
	go c.keep(failed)
	options := &redis.Options{Network: "unix", Addr: socket, PoolSize: poolSize}
	redisconn.Configure(options)
	client := redis.NewClient(options)
	i := &Instance{client: client, url: (&url.URL{Scheme: "unix", Path: socket}).String(), stop: func() error {
		defer cleanup()
		return errors.Join(c.stop(), lock.Close())
	}}
	if err := answers(ctx, client, failed); err != nil {
		return nil, errors.Join(fmt.Errorf("redis-server: %w", err), client.Close(), i.stop())
	}
	return i, nil
}

// socketPath is in the data folder unless that lies too deep for a socket's name.
func socketPath(dir string) (path string, cleanup func(), err error) {
	if path = filepath.Join(dir, "redis.sock"); len(path) <= longestSocket {
		return path, func() {}, nil
	}
	tmp, err := os.MkdirTemp("", "redis")
	if err != nil {
		return "", nil, fmt.Errorf("socket folder: %w", err)
	}
	return filepath.Join(tmp, "redis.sock"), func() { os.RemoveAll(tmp) }, nil
}

// takeOver gets the lock that every redis-server on this data holds. A server left by an earlier run, whose process this
// one's lock says is gone, is asked to leave as soon as it listens: it may have been started a moment ago.
func takeOver(ctx context.Context, path, socket string, log *slog.Logger) (*os.File, error) {
	waiting, asked := false, false
	lock, err := waitLock(ctx, path, func() {
		if !waiting {
			log.Info("a redis-server of an earlier run still holds the data", "lock", path)
			waiting = true
		}
		if asked {
			return
		}
		conn, err := net.DialTimeout("unix", socket, time.Second)
		if err != nil {
			return
		}
		defer conn.Close()
		log.Warn("stopping a redis-server left by an earlier run", "socket", socket)
		_, err = fmt.Fprint(conn, "SHUTDOWN NOSAVE\r\n")
		asked = err == nil
	})
	if waiting && err != nil {
		return nil, fmt.Errorf("a redis-server of an earlier run still holds %s: %w", path, err)
	}
	return lock, err
}

// answers waits until the server has loaded its data.
func answers(ctx context.Context, client *redis.Client, failed <-chan error) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := client.Ping(ctx).Err()
		if err == nil {
			return nil
		}
		select {
		case err := <-failed:
			return err
		case <-ctx.Done():
			return fmt.Errorf("no answer: %w", err)
		case <-tick.C:
		}
	}
}

// keep runs the server, and runs it again when it dies. The kernel kills a child with Pdeathsig when the *thread* that
// started it ends, so this goroutine keeps its thread to itself for as long as it may start children.
func (c *child) keep(failed chan<- error) {
	runtime.LockOSThread()
	defer close(c.exited)
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 10*time.Second) {
		began := time.Now()
		err := c.runOnce()
		select {
		case <-c.stopping:
			return
		default:
		}
		c.log.Error("redis-server ended", "error", err)
		select {
		case failed <- err:
		default:
		}
		if time.Since(began) > time.Minute {
			pause = 100 * time.Millisecond
		}
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-c.stopping:
			t.Stop()
			return
		}
	}
}

func (c *child) runOnce() error {
	// What is left of a killed server would not be in its way; of two, the second would take the first one's place.
	_ = os.Remove(c.socket)
	cmd := exec.Command(c.binary, c.args...)
	// redis-server 7 refuses to start with a locale that is not installed.
	cmd.Env = []string{"LC_ALL=C", "PATH=" + os.Getenv("PATH")}
	cmd.ExtraFiles = []*os.File{c.lock}
	// A process group of its own: Ctrl-C goes to the whole group of the terminal, and the queue must outlive the workers.
	// SIGKILL and not SIGTERM, which redis-server may refuse; whatever it has acknowledged it has also written.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	out := &tail{}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.WaitDelay = time.Second // its own children may hold the pipe
	c.mu.Lock()
	select {
	case <-c.stopping:
		c.mu.Unlock()
		return errors.New("stopped")
	default:
	}
	err := cmd.Start()
	c.process = cmd.Process
	c.mu.Unlock()
	if err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%w: %s", err, out.last())
	}
	return fmt.Errorf("exited: %s", out.last())
}

func (c *child) stop() error {
	c.mu.Lock()
	close(c.stopping)
	p := c.process
	c.mu.Unlock()
	if p != nil {
		_ = p.Signal(syscall.SIGTERM)
	}
	late := time.AfterFunc(stopWithin, func() {
		if p != nil {
			_ = p.Kill()
		}
	})
	defer late.Stop()
	<-c.exited
	return nil
}

// tail keeps the end of what a server says, which is where the reason stands.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if len(t.buf) > 4096 {
		t.buf = append([]byte(nil), t.buf[len(t.buf)-4096:]...)
	}
	return len(p), nil
}

func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := bytes.Split(bytes.TrimSpace(t.buf), []byte("\n"))
	return strings.TrimSpace(string(bytes.Join(lines[max(0, len(lines)-3):], []byte("; "))))
}

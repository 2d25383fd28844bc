package localredis

import (
	"bufio"
	"context"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// holdDir, when set, makes the test binary a process that holds a Redis of its own until it is killed.
const holdDir = "LOCALREDIS_TEST_HOLD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(holdDir); dir != "" {
		hold(dir)
	}
	goleak.VerifyTestMain(m)
}

func hold(dir string) {
	i, err := Start(context.Background(), dir, 0, slog.New(slog.DiscardHandler))
	if err != nil {
		os.Stdout.WriteString("error: " + err.Error() + "\n")
		os.Exit(1)
	}
	i.Client().Set(context.Background(), "written by", "the first", 0)
	info, _ := i.Client().Info(context.Background(), "server").Result()
	for line := range strings.Lines(info) {
		if pid, ok := strings.CutPrefix(strings.TrimSpace(line), "process_id:"); ok {
			os.Stdout.WriteString("pid " + pid + "\n")
		}
	}
	select {}
}

func needServer(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("needs redis-server on PATH")
	}
}

func begin(t *testing.T, dir string) *Instance {
	t.Helper()
	i, err := Start(context.Background(), dir, 0, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Close(); err != nil {
			t.Error(err)
		}
	})
	return i
}

func TestDataSurvivesRestart(t *testing.T) {
	needServer(t)
	dir := filepath.Join(t.TempDir(), "data")
	first := begin(t, dir)
	if !first.Durable() || !strings.HasPrefix(first.URL(), "unix:///") {
		t.Errorf("durable %v, url %q", first.Durable(), first.URL())
	}
	ctx := context.Background()
	if err := first.Client().Set(ctx, "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := begin(t, dir).Client().Get(ctx, "k").Result(); got != "v" {
		t.Errorf("after a restart: %q, %v", got, err)
	}
}

func TestDeepDataFolder(t *testing.T) {
	needServer(t)
	dir := filepath.Join(t.TempDir(), strings.Repeat("deep/", 30))
	if err := begin(t, dir).Client().Ping(context.Background()).Err(); err != nil {
		t.Error(err)
	}
}

func TestSecondStartIsRefused(t *testing.T) {
	needServer(t)
	dir := t.TempDir()
	begin(t, dir)
	i, err := Start(context.Background(), dir, 0, slog.New(slog.DiscardHandler))
	if err == nil {
		i.Close()
		t.Fatal("two on the same data")
	}
	if !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "in use") {
		t.Errorf("error does not say why: %v", err)
	}
}

func TestDeadChildIsReplaced(t *testing.T) {
	needServer(t)
	i := begin(t, t.TempDir())
	ctx := context.Background()
	if err := i.Client().Set(ctx, "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	// The connection ends with the server, so that DEBUG SEGFAULT or SHUTDOWN answer with an error.
	i.Client().ShutdownNoSave(ctx)
	eventually(t, "another server with the same data", func() bool { return i.Client().Get(ctx, "k").Val() == "v" })
}

func TestUnusableDataIsAnError(t *testing.T) {
	needServer(t)
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "appendonlydir"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "appendonlydir", "appendonly.aof.manifest"), []byte("nonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	i, err := Start(context.Background(), dir, 0, slog.New(slog.DiscardHandler))
	if err == nil {
		i.Close()
		t.Skip("this redis-server does not read a manifest")
	}
	if !strings.Contains(err.Error(), "redis-server") {
		t.Errorf("error does not say who failed: %v", err)
	}
}

// TestKilledOwner kills -9 a process that has a Redis: the server must die with it, and the next owner finds the data.
func TestKilledOwner(t *testing.T) {
	needServer(t)
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), holdDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	pid, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(line, "pid ")))
	if err != nil {
		cmd.Process.Kill()
		t.Fatalf("the owner said %q", line)
	}
	cmd.Process.Kill()
	cmd.Wait()
	eventually(t, "the server dies with its owner", func() bool { return !alive(pid) })
	if got := begin(t, dir).Client().Get(context.Background(), "written by").Val(); got != "the first" {
		t.Errorf("the next owner finds %q", got)
	}
}

// TestLeftServerIsStopped has a redis-server live on without its owner.
func TestLeftServerIsStopped(t *testing.T) {
	needServer(t)
	dir := t.TempDir()
	lock, err := lockFile(filepath.Join(dir, "redis.lock"))
	if err != nil {
		t.Fatal(err)
	}
	left := exec.Command("redis-server", "--port", "0", "--unixsocket", filepath.Join(dir, "redis.sock"), "--dir", dir, "--appendonly",
		"yes", "--save", "")
	left.ExtraFiles = []*os.File{lock}
	if err := left.Start(); err != nil {
		t.Fatal(err)
	}
	lock.Close()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		left.Wait()
	}()
	defer func() {
		left.Process.Kill()
		<-ended
	}()
	eventually(t, "the left server listens", func() bool { _, err := os.Stat(filepath.Join(dir, "redis.sock")); return err == nil })
	if err := begin(t, dir).Client().Ping(context.Background()).Err(); err != nil {
		t.Error(err)
	}
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("the left server still runs")
	}
}

// A server that was started a moment ago holds the lock and does not listen yet.
func TestLateServerIsStopped(t *testing.T) {
	dir := t.TempDir()
	path, socket := filepath.Join(dir, "redis.lock"), filepath.Join(dir, "redis.sock")
	held, err := lockFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	looked := make(said, 10)
	type got struct {
		lock *os.File
		err  error
	}
	taken := make(chan got, 1)
	go func() {
		lock, err := takeOver(t.Context(), path, socket, slog.New(slog.NewTextHandler(looked, nil)))
		taken <- got{lock, err}
	}()
	if line := <-looked; !strings.Contains(line, "still holds the data") {
		t.Errorf("log: %q", line)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if order, err := bufio.NewReader(conn).ReadString('\n'); err != nil || order != "SHUTDOWN NOSAVE\r\n" {
		t.Errorf("asked %q, %v", order, err)
	}
	held.Close()
	if now := <-taken; now.err != nil {
		t.Error(now.err)
	} else {
		now.lock.Close()
	}
}

// said takes what is logged.
type said chan string

func (s said) Write(line []byte) (int, error) {
	s <- string(line)
	return len(line), nil
}

func TestEmbedded(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	var log strings.Builder
	i, err := Start(context.Background(), t.TempDir(), 0, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	if i.Durable() || i.URL() != "" {
		t.Errorf("durable %v, url %q", i.Durable(), i.URL())
	}
	if !strings.Contains(log.String(), "will not survive a restart") {
		t.Errorf("log: %q", log.String())
	}
	ctx := context.Background()
	if err := i.Client().Set(ctx, "k", "v", time.Second).Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "keys expire", func() bool { return i.Client().Exists(ctx, "k").Val() == 0 })
}

// alive: a zombie is dead; nobody may be there to reap it in a container without an init.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

package hostile

import (
	"crypto/rand"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// bait is what an attack must not reach: a secret and a folder open to everyone, and listeners of every kind on the host.
type bait struct {
	folder, secretPath, secret string
	tcp, udp                   int
	unix, abstract             string
	addresses                  []string
	redis                      string

	contacts atomic.Int64
	// before is what the host says of folder and secret when they have been laid.
	before []string
}

func layBait(t *testing.T, redisURL string) *bait {
	t.Helper()
	dir, err := os.MkdirTemp("", "bait") // short, for the socket's path, and below a folder that everybody may enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	b := &bait{
		folder: filepath.Join(dir, "open"), secretPath: filepath.Join(dir, "secret.txt"), secret: "secret of the host " + rand.Text(),
		unix: filepath.Join(dir, "s"), abstract: filepath.Base(dir), redis: strings.TrimPrefix(redisURL, "unix://"),
	}
	for _, step := range []error{
		os.Chmod(dir, 0o755), os.Mkdir(b.folder, 0o777), os.Chmod(b.folder, 0o777), os.WriteFile(b.secretPath, []byte(b.secret), 0o644),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
	b.listen(t)
	b.before = b.metadata(t)
	return b
}

// give makes a user the owner of all of it.
func (b *bait) give(t *testing.T, uid int) {
	t.Helper()
	for _, path := range []string{filepath.Dir(b.secretPath), b.folder, b.secretPath, b.unix} {
		if err := os.Chown(path, uid, uid); err != nil {
			t.Fatal(err)
		}
	}
	b.before = b.metadata(t)
}

// metadata is what can be changed of files without opening them. A folder's times are left out: the test itself looks into it, and removes
// from it what should not be there.
func (b *bait) metadata(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, path := range []string{b.folder, b.secretPath, b.unix, filepath.Dir(b.secretPath)} {
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		said := path + " " + info.Mode().String()
		if !info.IsDir() {
			said += " " + info.ModTime().String()
		}
		all = append(all, said)
	}
	return all
}

// listen opens the listeners and counts whoever comes, until the test ends.
func (b *bait) listen(t *testing.T) {
	t.Helper()
	var all sync.WaitGroup
	stream := func(network, address string) net.Listener {
		l, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		all.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				b.contacts.Add(1)
				c.Close()
			}
		})
		return l
	}
	packets := func(network, address string) net.PacketConn {
		c, err := net.ListenPacket(network, address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		all.Go(func() {
			buffer := make([]byte, 100)
			for {
				if _, _, err := c.ReadFrom(buffer); err != nil {
					return
				}
				b.contacts.Add(1)
			}
		})
		return c
	}
	t.Cleanup(all.Wait)
	b.tcp = stream("tcp", "0.0.0.0:0").Addr().(*net.TCPAddr).Port
	b.udp = packets("udp", "0.0.0.0:0").LocalAddr().(*net.UDPAddr).Port
	stream("unix", b.unix)
	stream("unix", "@"+b.abstract)
	// Datagrams have addresses of their own; the attack tries both kinds on both, so the names are told apart by one letter.
	packets("unixgram", b.unix+"g")
	packets("unixgram", "@"+b.abstract+"g")
	for _, path := range []string{b.unix, b.unix + "g"} {
		if err := os.Chmod(path, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.To4() != nil && !ip.IP.IsLoopback() {
			b.addresses = append(b.addresses, ip.IP.String())
		}
	}
}

// args tells an attack what there is to reach.
func (b *bait) args() map[string]any {
	backwards := []rune(b.redis)
	slices.Reverse(backwards) // or it would find its own argument
	return map[string]any{
		"folder": b.folder, "secret": b.secretPath, "tcp": b.tcp, "udp": b.udp, "unix": b.unix, "abstract": b.abstract,
		"addresses": append([]string{}, b.addresses...), "redis_backwards": string(backwards), "memory_mb": 100, "disk_mb": 64,
	}
}

// untouched fails the test when somebody has been at it.
func (b *bait) untouched(t *testing.T) {
	t.Helper()
	if n := b.contacts.Swap(0); n > 0 {
		t.Errorf("the host's listeners had %d visitors", n)
	}
	entries, err := os.ReadDir(b.folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		t.Errorf("the host's folder has a new entry: %s", e.Name())
		os.RemoveAll(filepath.Join(b.folder, e.Name()))
	}
	if now := b.metadata(t); !slices.Equal(now, b.before) {
		t.Errorf("the host's files are %q and were %q", now, b.before)
		b.before = now
	}
	if now, err := os.ReadFile(b.secretPath); err != nil || string(now) != b.secret {
		t.Errorf("the host's file was changed: %q %v", now, err)
	}
	for _, path := range []string{"/pwned", "/etc/pwned", "/tmp/pwned", "/usr/pwned", "/dev/pwned", "/dev/shm/pwned", "/dev/shm/mark", "/var/tmp/mark", "/var/tmp/pwned"} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s is there on the host", path)
		}
	}
}

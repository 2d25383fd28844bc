package jail

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"safepy/internal/jail/launch"
)

// decoys are what the attacks of Prove try to reach on the host: open to everybody there, so that only the jail is in between.
type decoys struct {
	dir, secret, folder string
	tcp                 net.Listener
	abstract            net.Listener
	shm                 int
	shmKey              int32
	mark                string
	before              []string // what the host says of secret and folder when they have been laid
	visitors            atomic.Int64
	listening           sync.WaitGroup
}

func layDecoys() (b *decoys, err error) {
	b = &decoys{shm: -1, mark: newMark()}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	if err := b.layFiles(); err != nil {
		return nil, err
	}
	b.before = b.metadata()
	if b.tcp, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	if b.abstract, err = net.Listen("unix", "@"+b.mark); err != nil {
		return nil, err
	}
	for _, l := range []net.Listener{b.tcp, b.abstract} {
		b.listening.Go(func() { b.receive(l) })
	}
	var key [4]byte
	rand.Read(key[:])
	b.shmKey = int32(binary.NativeEndian.Uint32(key[:])&0x7fff_ffff | 1) // 0 would be a private one
	if b.shm, err = unix.SysvShmGet(int(b.shmKey), 4096, unix.IPC_CREAT|unix.IPC_EXCL|0o666); err != nil {
		b.shm = -1 // a host that has none has nothing to share
	}
	return b, nil
}

// layFiles makes a file that everybody may read and a folder that everybody may write into. In a container with no writable place
// this program's own file is to be read, and there is nothing to be written.
func (b *decoys) layFiles() (err error) {
	if b.dir, err = os.MkdirTemp("", "bait"); err != nil {
		b.folder = "/nonexistent"
		b.secret, err = os.Executable()
		return err
	}
	b.secret, b.folder = filepath.Join(b.dir, "secret"), filepath.Join(b.dir, "folder")
	if err := os.WriteFile(b.secret, []byte("secret"), 0o644); err != nil {
		return err
	}
	if err := os.Mkdir(b.folder, 0o777); err != nil {
		return err
	}
	for _, path := range []string{b.dir, b.folder} {
		if err := os.Chmod(path, 0o777); err != nil { // whatever the umask says
			return err
		}
	}
	return nil
}

// metadata is what a job could change of files that it cannot open. When a file was looked at last is left out: that has others.
func (b *decoys) metadata() []string {
	var all []string
	for _, path := range []string{b.secret, b.folder} {
		if info, err := os.Stat(path); err == nil {
			all = append(all, fmt.Sprint(path, info.Mode(), info.ModTime()))
		}
	}
	return all
}

func (b *decoys) receive(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		b.visitors.Add(1)
		c.Close()
	}
}

// args tells the attacks where everything is, and where the limits are.
func (b *decoys) args(p *plan) map[string]any {
	host, _ := os.Hostname()
	pid := os.Getpid()
	if pid == 1 && p.level == Namespaces {
		pid = 0 // number 1 is the job's own there
	}
	return map[string]any{
		"secret": b.secret, "folder": b.folder, "pid": pid, "tcp": b.tcp.Addr().(*net.TCPAddr).Port, "abstract": b.mark,
		"shm_key": b.shmKey, "hostname": host, "mark": b.mark, "figures": figuresOfHost(), "users": usersOfHost(),
		"may_fork": p.level == Namespaces && p.limits.Threads <= 64, "bounded": p.level == Namespaces, "others": p.others(),
		"pending_signals": pendingSignals, "space_mb": p.limits.addressSpace() >> 20, "disk_mb": p.limits.DiskMB,
		"threads": p.limits.Threads, "open_files": p.limits.OpenFiles,
	}
}

// figuresOfHost are what its kernel says of it in places where jobs could look: its memory, its command line, its processors, this boot.
func figuresOfHost() []string {
	figures := []string{}
	add := func(text string) {
		if text = strings.TrimSpace(text); len(text) >= 6 {
			figures = append(figures, text)
		}
	}
	for _, path := range []string{"/proc/cmdline", "/proc/version", "/proc/sys/kernel/random/boot_id", "/proc/uptime"} {
		if text, err := os.ReadFile(path); err == nil {
			add(string(text))
		}
	}
	for path, key := range map[string]string{"/proc/meminfo": "MemTotal:", "/proc/cpuinfo": "model name"} {
		text, _ := os.ReadFile(path)
		for line := range strings.Lines(string(text)) {
			if rest, found := strings.CutPrefix(line, key); found {
				add(strings.TrimSuffix(strings.Trim(rest, " \t:\n"), " kB"))
				break
			}
		}
	}
	return figures
}

// usersOfHost are the names in its lists of users and groups that a jail's own do not have.
func usersOfHost() []string {
	own := []string{"root", "nobody", "nogroup", launch.UserName}
	users := []string{}
	for _, path := range []string{"/etc/passwd", "/etc/group"} {
		text, _ := os.ReadFile(path)
		for line := range strings.Lines(string(text)) {
			if name, _, _ := strings.Cut(line, ":"); !slices.Contains(own, name) {
				users = append(users, name)
			}
		}
	}
	return users
}

// others are files and folders of the host that no job needs. A ready root tree may have its own under the same names.
func (p *plan) others() []string {
	others := []string{}
	if p.level == Process && p.chroot != "" {
		return others
	}
	shown := slices.Concat([]string{"/tmp", "/dev", "/proc", "/sys"}, p.root.Binds, p.machine.paths())
	for _, l := range p.root.Links {
		shown = append(shown, l.Path, l.Target)
	}
	for _, dir := range []string{"/", "/etc", "/usr", "/usr/bin", "/var"} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, e := range entries {
			path := filepath.Join(dir, e.Name())
			related := func(s string) bool {
				return path == s || strings.HasPrefix(s, path+"/") || strings.HasPrefix(path, s+"/")
			}
			// A link may lead to what is shown.
			if target, err := filepath.EvalSymlinks(path); err == nil && !slices.ContainsFunc(shown, related) {
				if path = target; !slices.ContainsFunc(shown, related) {
					others = append(others, path)
				}
			}
		}
	}
	return others
}

// disturbed is what the decoys themselves show, whatever the attacks say.
func (b *decoys) disturbed() map[string]string {
	found := map[string]string{}
	if n := b.visitors.Load(); n > 0 {
		found["network"] = fmt.Sprintf("%d connections to the host", n)
	}
	if left, err := os.ReadDir(b.folder); b.dir != "" && (err != nil || len(left) > 0) {
		found["host files"] = "a file was written on the host"
	} else if now := b.metadata(); !slices.Equal(now, b.before) {
		found["metadata of files"] = fmt.Sprintf("on the host: %q instead of %q", now, b.before)
	}
	return found
}

func (b *decoys) close() {
	for _, l := range []net.Listener{b.tcp, b.abstract} {
		if l != nil {
			l.Close()
		}
	}
	b.listening.Wait()
	if b.shm != -1 {
		unix.SysvShmCtl(b.shm, unix.IPC_RMID, nil)
	}
	if b.dir != "" {
		os.RemoveAll(b.dir)
	}
}

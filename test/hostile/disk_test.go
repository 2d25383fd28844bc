package hostile

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestDiskAtLevelProcess looks at the disk of the host, where jobs without namespaces write, while each of the floods goes on.
func TestDiskAtLevelProcess(t *testing.T) {
	floods := readAttacks(t)
	eachWorker(t, 1, func(t *testing.T, level string, worker *exec.Cmd, env []string) {
		if level != process {
			t.Skip("here jobs write to a tmpfs of their own")
		}
		s := start(t, level, worker, env...)
		tmp := ""
		for _, e := range env {
			if tree, found := strings.CutPrefix(e, "JAIL_CHROOT="); found {
				tmp = filepath.Join(tree, "tmp")
			}
		}
		for _, a := range floods {
			if !strings.HasPrefix(a.name, "disk_flood_") {
				continue
			}
			t.Run(a.name, func(t *testing.T) {
				free := freeBytes(t, tmp)
				end, most := make(chan struct{}), make(chan onDisk)
				go func() { most <- mostOnDisk(tmp, end) }()
				j := s.run(t, a.request(s))
				close(end)
				had := <-most
				a.judge(t, s, j)
				t.Logf("at most %d names and %d MB", had.names, had.bytes>>20)
				// What is written between two looks comes on top of the limits: 4096 names and 64 MB. A busy machine looks later.
				if had.names > 4096+60_000 {
					t.Errorf("there were %d names on the host's disk", had.names)
				}
				if had.bytes > 1<<30 {
					t.Errorf("there were %d MB on the host's disk", had.bytes>>20)
				}
				cleared(t, tmp, free)
			})
		}
	})
}

// onDisk is what lies in a folder.
type onDisk struct {
	names int
	bytes int64
}

// mostOnDisk looks into a folder until end is closed, and returns the largest of what it saw.
func mostOnDisk(folder string, end <-chan struct{}) onDisk {
	var most onDisk
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for {
		now := look(folder)
		most.names, most.bytes = max(most.names, now.names), max(most.bytes, now.bytes)
		select {
		case <-end:
			return most
		case <-again.C:
		}
	}
}

func look(folder string) onDisk {
	var now onDisk
	_ = filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil // gone meanwhile
		}
		now.names++
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
			now.bytes += info.Size()
		}
		return nil
	})
	return now
}

// cleared waits until the disk has again what it had before, give or take what others write: files without a name are seen in this
// way only, and those with one must be gone, too.
func cleared(t *testing.T, folder string, before uint64) {
	t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for end := time.Now().Add(15 * time.Second); ; <-again.C {
		entries, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		left := look(folder)
		if free := freeBytes(t, folder); left.names < 20 && free+(200<<20) > before {
			return
		} else if time.Now().After(end) {
			t.Errorf("%d names are left in %d directories, and %d MB less free than before", left.names, len(entries), (int64(before)-int64(free))>>20)
			return
		}
	}
}

func freeBytes(t *testing.T, folder string) uint64 {
	t.Helper()
	var room syscall.Statfs_t
	if err := syscall.Statfs(folder, &room); err != nil {
		t.Fatal(err)
	}
	return room.Bfree * uint64(room.Bsize)
}

package jail

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"safepy/internal/jail/diskquota"
	"safepy/internal/jail/launch"
)

// startOnDisk gives a jail at level Process its working directory.
func (p *plan) startOnDisk(s launch.Spec, w wanted) (*server, error) {
	outside, err := p.makeDirectory(s.IDs.Job)
	if err != nil {
		return nil, err
	}
	s.Directory = strings.TrimPrefix(outside, p.chroot)
	cleanup := func() { removeDirectory(outside) }
	q, err := diskquota.New(outside, s.IDs.Job, int64(p.limits.DiskMB)<<20, p.limits.diskNames())
	if err != nil {
		cleanup()
		return nil, err
	}
	v, err := startServer(p, s, w, cleanup)
	if err != nil {
		cleanup()
		return nil, err
	}
	if !p.faults.noQuota {
		v.quota = q
	}
	return v, nil
}

// makeDirectory makes the working directory of a job at level Process, which no other uid can look into.
func (p *plan) makeDirectory(uid int) (string, error) {
	parent := filepath.Join(p.chroot, "/tmp")
	dir, err := os.MkdirTemp(parent, "job-")
	if err != nil {
		return "", fmt.Errorf("working directory: %w", err)
	}
	if err := os.Chown(dir, uid, uid); err != nil && os.Geteuid() == 0 {
		return "", fmt.Errorf("working directory: %w", err)
	}
	return dir, nil
}

// removeDirectory removes what a job has left, which has ended, and follows no link. Where jobs have the worker's own uid, one may
// have locked a folder.
func removeDirectory(path string) {
	if os.RemoveAll(path) == nil {
		return
	}
	_ = filepath.WalkDir(path, func(path string, entry fs.DirEntry, _ error) error {
		if entry != nil && entry.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	_ = os.RemoveAll(path)
}

// Package procfs reads what the kernel says of other processes: their sizes, their mappings and page tables, and what of their memory lies
// where. It knows nothing of jails, and changes nothing but how willingly the kernel kills a process.
package procfs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ReadSmall reads what fits the buffer of a file that the kernel makes up as it is read. Three system calls, where os.ReadFile takes
// twelve: it has the poller watch a file that is always ready.
func ReadSmall(path string, buffer []byte) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	defer unix.Close(fd)
	n, err := unix.Read(fd, buffer)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return buffer[:n], nil
}

// WriteSmall writes to such a file.
func WriteSmall(path string, data []byte) error {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, data); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

func Path(pid int, name string) string { return "/proc/" + strconv.Itoa(pid) + "/" + name }

// StatusField reads one size off a process's status, in bytes.
func StatusField(pid int, name string) (size int64, err error) {
	return size, StatusFields(pid, map[string]*int64{name: &size})
}

// StatusFields reads sizes off a process's status, in bytes. A process that has none any more is an error.
func StatusFields(pid int, wanted map[string]*int64) error {
	var buffer [4 << 10]byte
	status, err := ReadSmall(Path(pid, "status"), buffer[:])
	if err != nil {
		return err
	}
	found := 0
	for line := range bytes.Lines(status) {
		name, rest, _ := bytes.Cut(line, []byte(":"))
		size, known := wanted[string(name)]
		if !known {
			continue
		}
		number, _, _ := bytes.Cut(bytes.TrimLeft(rest, " \t"), []byte(" kB"))
		kilobytes, err := strconv.ParseInt(string(number), 10, 64)
		if err != nil {
			return fmt.Errorf("status: %w", err)
		}
		*size = kilobytes << 10
		found++
	}
	if found == 0 {
		return errNoMemory
	}
	return nil
}

var errNoMemory = errors.New("status: the process has no memory any more")

// StartTime is when a process started, in ticks since the kernel did; empty when there is none.
func StartTime(pid int) string {
	if fields := StatFields(pid); len(fields) > 19 {
		return fields[19]
	}
	return ""
}

// StatFields are those of /proc/<pid>/stat behind the name, which may hold anything: the state first.
func StatFields(pid int) []string {
	text, err := os.ReadFile(Path(pid, "stat"))
	if err != nil {
		return nil
	}
	return strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
}

// SetOOMScore says how willingly the kernel kills a process when memory runs out, in its cgroup or on the whole host: 0 is usual, 1000
// before any other.
func SetOOMScore(pid, score int) error {
	return WriteSmall(Path(pid, "oom_score_adj"), strconv.AppendInt(nil, int64(score), 10))
}

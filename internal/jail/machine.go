package jail

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/template"
	"time"

	"golang.org/x/sys/unix"

	"safepy/internal/jail/launch"
)

// What ordinary code expects of a small machine beside Python and its libraries, and where it expects it: users, hosts, services, and
// what libraries read below /proc and /sys. None of it is the host's: the texts are these, and the figures in them are the job's
// limits. There is no procfs, which would show memory, processors, mounts and cgroups of the host, and is code of the kernel's to attack.
//
//go:embed machine
var machineFiles embed.FS

// machine is a jail's files, links and pipes beside the host's: paths, and what is there.
type machine struct {
	Files map[string]string `json:"files"`
	Links map[string]string `json:"links"`
	// Pipes stand where a procfs has a process's own streams. Nobody can open them: who asks for them by name gets the stream itself from
	// the runner (streams.py), or an error, and never an empty file.
	Pipes []string `json:"pipes"`
	// Mount is where a job's tmpfs is mounted, which /tmp and /dev/shm are two folders of.
	Mount string `json:"mount"`
}

// resources are the kernel's names for limits, as /proc/self/limits has them.
var resources = []struct{ name, setting, unit string }{
	{"Max cpu time", "CPU", "seconds"}, {"Max file size", "FSIZE", "bytes"}, {"Max data size", "DATA", "bytes"},
	{"Max stack size", "STACK", "bytes"}, {"Max core file size", "CORE", "bytes"}, {"Max resident set", "RSS", "bytes"},
	{"Max processes", "NPROC", "processes"}, {"Max open files", "NOFILE", "files"}, {"Max locked memory", "MEMLOCK", "bytes"},
	{"Max address space", "AS", "bytes"}, {"Max file locks", "LOCKS", "locks"}, {"Max pending signals", "SIGPENDING", "signals"},
	{"Max msgqueue size", "MSGQUEUE", "bytes"}, {"Max nice priority", "NICE", ""}, {"Max realtime priority", "RTPRIO", ""},
	{"Max realtime timeout", "RTTIME", "us"},
}

// newMachine describes a jail with these limits; measured says that the runner puts in what a job's process has of memory when it begins.
func newMachine(l Limits, rlimits map[string]int64, environment []string, measured bool) (*machine, error) {
	var kernel unix.Utsname
	if err := unix.Uname(&kernel); err != nil {
		return nil, fmt.Errorf("uname: %w", err)
	}
	type limit struct{ Name, Value, Unit string }
	var limits []limit
	for _, r := range resources {
		value := "unlimited"
		if most, set := rlimits[r.setting]; set {
			value = strconv.FormatInt(most, 10)
		}
		limits = append(limits, limit{r.name, value, r.unit})
	}
	cpuinfo, _ := os.ReadFile("/proc/cpuinfo") // where it cannot be read, the processor can do what all of its kind can
	key, words := instructions(string(cpuinfo))
	figures := map[string]any{
		"User": launch.UserName, "UID": launch.JobUID, "Home": "/tmp", "Host": launch.HostName, "Environment": environment, "Limits": limits,
		"Release": unix.ByteSliceToString(kernel.Release[:]), "Started": time.Now().Unix(),
		"MemoryKB": l.MemoryMB << 10, "MemoryBytes": l.MemoryMB << 20, "DiskKB": l.DiskMB << 10, "OpenFiles": l.OpenFiles,
		"Processes": l.Threads + 1, "InstructionsKey": key, "Instructions": words,
	}
	m := &machine{
		Files: map[string]string{},
		Links: map[string]string{
			"/proc/self": "2", "/proc/thread-self": "2/task/2", "/proc/mounts": "self/mounts", "/proc/2/task/2": "..",
			"/proc/2/cwd": "/tmp", "/proc/2/root": "/", "/proc/2/exe": "/usr/bin/python3",
			"/dev/fd": "/proc/self/fd", "/dev/stdin": "/proc/self/fd/0", "/dev/stdout": "/proc/self/fd/1", "/dev/stderr": "/proc/self/fd/2",
			"/dev/shm": "/run/job/shm", "/etc/mtab": "/proc/self/mounts", "/etc/localtime": "/usr/share/zoneinfo/Etc/UTC",
			"/usr/lib/ssl/certs": "/etc/ssl/certs", "/usr/lib/ssl/cert.pem": "/etc/ssl/certs/ca-certificates.crt",
		},
		Pipes: []string{"/proc/2/fd/0", "/proc/2/fd/1", "/proc/2/fd/2"},
		Mount: "/run/job",
	}
	err := fs.WalkDir(machineFiles, "machine", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := machineFiles.ReadFile(path)
		if err != nil {
			return err
		}
		parsed, err := template.New(path).Parse(string(text))
		if err != nil {
			return err
		}
		var filled strings.Builder
		if err := parsed.Execute(&filled, figures); err != nil {
			return err
		}
		m.Files[strings.TrimPrefix(path, "machine")] = filled.String()
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("the jail's own files: %w", err)
	}
	if !measured {
		for path, text := range m.Files {
			m.Files[path] = unmeasured.Replace(text)
		}
	}
	return m, nil
}

// unmeasured puts nothing where the runner would put a measure.
var unmeasured = strings.NewReplacer("@rss_kb@", "0", "@rss_pages@", "0", "@rss@", "0")

// layOut puts it into the root tree that jobs of level Process are shown, which is on the disk and lasts: what is there and differs is
// replaced in one step, since jobs of another worker may be reading.
func (m *machine) layOut(root string) error {
	for path, text := range m.Files {
		path = root + path
		if have, err := os.ReadFile(path); err == nil && string(have) == text {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := moveTo(path, func(beside string) error { return os.WriteFile(beside, []byte(text), 0o644) }); err != nil {
			return err
		}
	}
	for path, target := range m.Links {
		if path == "/dev/shm" {
			continue // there is no directory of the job's own that all of them have under one name
		}
		path = root + path
		if have, err := os.Readlink(path); err == nil && have == target {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := moveTo(path, func(beside string) error { return os.Symlink(target, beside) }); err != nil {
			return err
		}
	}
	for _, path := range m.Pipes {
		if err := os.MkdirAll(filepath.Dir(root+path), 0o755); err != nil {
			return err
		}
		if err := unix.Mkfifo(root+path, 0); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("make %s: %w", path, err)
		}
	}
	return nil
}

// moveTo makes something beside path and moves it there.
func moveTo(path string, create func(beside string) error) error {
	beside := fmt.Sprintf("%s.%d", path, os.Getpid())
	if err := create(beside); err != nil {
		return err
	}
	if err := os.Rename(beside, path); err != nil {
		os.Remove(beside)
		return err
	}
	return nil
}

// paths are all that it has, beside what lies below /proc and /sys.
func (m *machine) paths() []string {
	paths := []string{m.Mount}
	for path := range m.Files {
		paths = append(paths, path)
	}
	for path := range m.Links {
		paths = append(paths, path)
	}
	return paths
}

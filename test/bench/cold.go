package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// coldSettings is what the cold server is told: the jail's command line, whose last argument Python is given with -c, and how
// many may run at once.
type coldSettings struct {
	Args  []string
	Maps  []syscall.SysProcIDMap
	Slots int
}

// coldScript is the least that a service has Python do: run the script, call main(), and put the result behind the output.
const coldScript = `import json, sys
source = sys.stdin.buffer.read().decode()
scope = {"__name__": "script"}
exec(compile(source, "script.py", "exec"), scope)
result = scope["main"]()
sys.stdout.write("\n\x1e" + json.dumps(result))`

// serveCold is the baseline: plain HTTP, and for each request a jail and a Python of its own.
func serveCold(ctx context.Context, in io.Reader, out io.Writer) error {
	var s coldSettings
	if err := json.NewDecoder(in).Decode(&s); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	slots := make(chan struct{}, s.Slots)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /execute", func(w http.ResponseWriter, r *http.Request) {
		var request struct{ Script string }
		if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		slots <- struct{}{}
		defer func() { <-slots }()
		stdout, result, err := s.execute(r.Context(), request.Script)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]any{"result": result, "stdout": stdout})
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if err := json.NewEncoder(out).Encode(listener.Addr().String()); err != nil {
		return err
	}
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (s *coldSettings) execute(ctx context.Context, script string) (string, json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	jail := exec.CommandContext(ctx, s.Args[0], s.Args[1:]...)
	jail.Env = []string{}
	jail.Stdin = strings.NewReader(script)
	if len(s.Maps) > 0 {
		jail.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags: syscall.CLONE_NEWUSER, UidMappings: s.Maps, GidMappings: s.Maps, GidMappingsEnableSetgroups: true,
			Credential: &syscall.Credential{},
		}
	}
	var stdout, stderr bytes.Buffer
	jail.Stdout, jail.Stderr = &stdout, &stderr
	if err := jail.Run(); err != nil {
		return "", nil, fmt.Errorf("%w: %s", err, clip(stderr.String()))
	}
	text, result, found := strings.Cut(stdout.String(), "\n\x1e")
	if !found {
		return "", nil, errors.New("the script sent no result")
	}
	return text, json.RawMessage(result), nil
}

// coldSettingsOf takes the command line of one of the worker's own jails: the baseline has the same walls, whatever they are.
func coldSettingsOf(worker *process, slots int) (coldSettings, error) {
	all, err := processes()
	if err != nil {
		return coldSettings{}, err
	}
	for _, pid := range descendants(all, []int{worker.pid()}) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil {
			continue
		}
		args := strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00")
		name := filepath.Base(args[0])
		if name != "nsjail" && name != "bwrap" {
			continue
		}
		cold, err := coldArgs(args)
		if err != nil {
			return coldSettings{}, err
		}
		s := coldSettings{Args: cold, Slots: slots}
		if own, its := idMap("self"), idMap(strconv.Itoa(pid)); name == "bwrap" && os.Geteuid() == 0 && !slices.Equal(own, its) {
			s.Maps = its // the worker starts bubblewrap in a user namespace of its making
		}
		return s, nil
	}
	return coldSettings{}, errors.New("the worker has no jail to take the command line from")
}

// coldArgs makes of a warm jail's command line that of a cold one: of what the fork server needs for its own work nothing is left
// (its descriptors, its capabilities, its being root inside), and Python gets the baseline's script.
func coldArgs(warm []string) ([]string, error) {
	end := slices.Index(warm, "--")
	if end < 0 || end+1 >= len(warm) {
		return nil, fmt.Errorf("no program in the jail's command line %q", warm)
	}
	var cold []string
	for i := 0; i < end; i++ {
		value := warm[i+1]
		switch warm[i] {
		case "--keep_caps":
			continue
		case "--pass_fd", "--seccomp", "--cap-add":
			i++
			continue
		case "--user", "--group":
			if strings.HasPrefix(value, "0:") {
				i++
				continue
			}
		case "--cwd": // at level process a directory of that one jail's
			cold = append(cold, "--cwd", "/tmp")
			i++
			continue
		}
		cold = append(cold, warm[i])
	}
	return append(cold, "--", warm[end+1], "-I", "-B", "-c", coldScript), nil
}

func idMap(pid string) []syscall.SysProcIDMap {
	var maps []syscall.SysProcIDMap
	eachLine("/proc/"+pid+"/uid_map", func(line string) {
		var m syscall.SysProcIDMap
		if _, err := fmt.Sscan(line, &m.ContainerID, &m.HostID, &m.Size); err == nil {
			maps = append(maps, m)
		}
	})
	return maps
}

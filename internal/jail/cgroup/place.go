package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// controllers are those that bound a jail.
var controllers = []string{"memory", "pids", "cpu"}

// Place is where a process stands in the host's cgroups.
type Place struct {
	v1 map[string]placeV1 // by controller, where it has a hierarchy of version 1
	v2 string             // the directory in the unified hierarchy, or empty
}

// File is what one of the files in the process's cgroup says: with version 1 the controller's hierarchy has it under a name of its own.
func (p Place) File(controller, v1, v2 string) (string, error) {
	name := v2
	if p.v1["memory"].mount != "" {
		name = v1
	}
	text, err := os.ReadFile(filepath.Join(p.Dir(controller), name))
	return strings.TrimSpace(string(text)), err
}

// Dir is the directory of the process's cgroup, with version 1 that of the controller's hierarchy.
func (p Place) Dir(controller string) string {
	if p.v1["memory"].mount != "" {
		return filepath.Join(p.v1[controller].mount, p.v1[controller].path)
	}
	return p.v2
}

// placeV1 is a mount of version 1, /sys/fs/cgroup/memory say, and the path below it.
type placeV1 struct{ mount, path string }

// PlaceOf reads off the kernel where a process stands: a pid, or self.
func PlaceOf(pid string) (Place, error) {
	own, err := os.ReadFile("/proc/" + pid + "/cgroup")
	if err != nil {
		return Place{}, err
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return Place{}, err
	}
	return parsePlace(string(own), string(mounts))
}

// parsePlace takes the contents of /proc/self/cgroup and /proc/self/mountinfo.
func parsePlace(own, mounts string) (Place, error) {
	paths := map[string]string{} // of each controller, "" for version 2
	for line := range strings.Lines(own) {
		fields := strings.SplitN(strings.TrimRight(line, "\n"), ":", 3)
		if len(fields) != 3 {
			return Place{}, fmt.Errorf("no line of a cgroup file: %q", line)
		}
		for name := range strings.SplitSeq(fields[1], ",") {
			paths[name] = fields[2]
		}
	}
	found := Place{v1: map[string]placeV1{}}
	for line := range strings.Lines(mounts) {
		before, after, ok := strings.Cut(line, " - ")
		mount, kind := strings.Fields(before), strings.Fields(after)
		if !ok || len(mount) < 5 || len(kind) < 3 {
			continue
		}
		root, point := mount[3], unescape(mount[4])
		switch kind[0] {
		case "cgroup2":
			if path, ok := belowMount(root, paths[""]); ok && found.v2 == "" {
				found.v2 = filepath.Join(point, path)
			}
		case "cgroup":
			for _, name := range controllers {
				if !slices.Contains(strings.Split(kind[2], ","), name) {
					continue
				}
				if path, ok := belowMount(root, paths[name]); ok && found.v1[name].mount == "" {
					found.v1[name] = placeV1{point, path}
				}
			}
		}
	}
	if len(found.v1) == 0 && found.v2 == "" {
		return found, errors.New("no cgroup hierarchy is mounted here")
	}
	return found, nil
}

// belowMount is where a cgroup is below its mount. In a container the mount may begin below the hierarchy's own root.
func belowMount(root, path string) (string, bool) {
	if path == "" || strings.HasPrefix(path, "/..") {
		return "", false // the latter is outside of this process's cgroup namespace
	}
	below, err := filepath.Rel(root, path)
	return below, err == nil && filepath.IsLocal(below)
}

// unescape undoes what mountinfo does to blanks.
func unescape(path string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(path)
}

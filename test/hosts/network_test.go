package hosts

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"safepy/test/harness"
)

// lan is a bridge in a network namespace of its own, and the hosts on it. Nothing of it is seen by, or leads to, the machine's own
// network.
type lan struct {
	t      *testing.T
	prefix string // of all its namespaces' names
	hosts  int
}

// host is a network namespace with one address.
type host struct {
	lan        *lan
	name, addr string
	port       string // its end of the cable, on the bridge
}

// newLAN skips the test where namespaces cannot be made.
func newLAN(t *testing.T) *lan {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not root: network namespaces cannot be made")
	}
	for program, debian := range map[string]string{"ip": "iproute2", "nsenter": "util-linux"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not on PATH (Debian: apt-get install %s)", program, debian)
		}
	}
	l := &lan{t: t, prefix: fmt.Sprintf("safepy%d-", os.Getpid())}
	if out, err := exec.Command("ip", "netns", "add", l.prefix+"bridge").CombinedOutput(); err != nil {
		t.Skipf("network namespaces cannot be made here: %v: %s", err, out)
	}
	t.Cleanup(func() { l.remove("bridge") })
	l.must("netns", "exec", l.prefix+"bridge", "ip", "link", "add", "br0", "type", "bridge")
	l.must("netns", "exec", l.prefix+"bridge", "ip", "link", "set", "br0", "up")
	return l
}

// host adds one host. Everything of it goes with its namespace.
func (l *lan) host(name string) *host {
	l.t.Helper()
	l.hosts++
	h := &host{lan: l, name: l.prefix + name, addr: fmt.Sprintf("10.99.0.%d", l.hosts), port: fmt.Sprintf("port%d", l.hosts)}
	bridge := l.prefix + "bridge"
	l.must("netns", "add", h.name)
	l.t.Cleanup(func() { l.remove(name) })
	l.must("link", "add", h.port, "netns", bridge, "type", "veth", "peer", "name", "eth0", "netns", h.name)
	l.must("netns", "exec", bridge, "ip", "link", "set", h.port, "master", "br0", "up")
	l.must("netns", "exec", h.name, "ip", "address", "add", h.addr+"/24", "dev", "eth0")
	l.must("netns", "exec", h.name, "ip", "link", "set", "eth0", "up")
	l.must("netns", "exec", h.name, "ip", "link", "set", "lo", "up")
	return h
}

// unplug pulls the host's cable at the other end: packets get lost, and its own interface notices nothing a program is told of.
func (h *host) unplug() {
	h.lan.t.Helper()
	h.lan.must("netns", "exec", h.lan.prefix+"bridge", "ip", "link", "set", h.port, "nomaster")
}

// plug ends unplug.
func (h *host) plug() {
	h.lan.t.Helper()
	h.lan.must("netns", "exec", h.lan.prefix+"bridge", "ip", "link", "set", h.port, "master", "br0")
}

// start runs one of the service's programs on this host.
func (h *host) start(program string, env ...string) *harness.Process {
	h.lan.t.Helper()
	path, err := harness.Binary(program)
	if err != nil {
		h.lan.t.Fatal(err)
	}
	return harness.StartCommand(h.lan.t, h.name, h.command(path), env...)
}

// command runs on this host. nsenter becomes the program, so that the process is the program's own; ip netns exec would besides
// mount another /sys, without the cgroups that a worker looks for.
func (h *host) command(program string, args ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{"--net=/run/netns/" + h.name, program}, args...)...)
}

func (l *lan) must(args ...string) {
	l.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		l.t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

func (l *lan) remove(name string) {
	if out, err := exec.Command("ip", "netns", "delete", l.prefix+name).CombinedOutput(); err != nil {
		l.t.Errorf("remove network namespace %s: %v: %s", l.prefix+name, err, out)
	}
}

package launch

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"syscall"
)

// The identities inside a jail: the fork server is root of its own user namespace, a job is somebody else there.
const (
	serverUID = 0
	JobUID    = 1000
)

// IDs are a jail's identities outside.
type IDs struct {
	// Split is set where the worker may map two: without privilege only its own uid can be mapped, once.
	Split       bool
	Server, Job int
}

// maps are the user namespace's: inside to outside.
func (i IDs) maps() []syscall.SysProcIDMap {
	if !i.Split {
		return []syscall.SysProcIDMap{{ContainerID: JobUID, HostID: i.Job, Size: 1}}
	}
	return []syscall.SysProcIDMap{{ContainerID: serverUID, HostID: i.Server, Size: 1}, {ContainerID: JobUID, HostID: i.Job, Size: 1}}
}

// workerNumber sets this worker's identities apart from those of others on its host: two hardly ever have jails with the same at the same
// time. Not the pid, which is the same in every container; without user namespaces the kernel counts a uid's processes over all of them.
var workerNumber = int(rand.Uint32())

// idSpan is where the outer identities of jails are taken from: far from those of the host's users and of container managers, or, inside a
// container with a user namespace of its own, what that has above the identities of a system's users.
type idSpan struct{ first, count int }

const (
	idsFrom, idsCount = 1_000_000_000, 1_000_000_000
	// idsFromInside leaves 55,534 in a container's usual 65,536.
	idsFromInside = 10_000
	nobodyID      = 65_534
)

var spanOfIDs = sync.OnceValue(func() idSpan {
	if mapped(idsFrom) && mapped(idsFrom+idsCount-1) {
		return idSpan{idsFrom, idsCount}
	}
	return idSpan{idsFromInside, nobodyID - idsFromInside}
})

// NewIDs chooses the outer identities of the n-th jail of this worker. They come again when all others have had their turn; where they
// begin is this worker's own.
func NewIDs(n int) IDs {
	if os.Geteuid() != 0 {
		return IDs{Server: os.Geteuid(), Job: os.Geteuid()}
	}
	span := spanOfIDs()
	first := span.first + (workerNumber+n)%(span.count/2)*2
	return IDs{Split: true, Server: first, Job: first + 1}
}

// mapped reports whether this process's user namespace knows the id.
func mapped(id int) bool {
	table, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(table)) {
		var inside, outside, count int
		if _, err := fmt.Sscan(line, &inside, &outside, &count); err == nil && id >= inside && id-inside < count {
			return true
		}
	}
	return false
}

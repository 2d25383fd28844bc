package jail

import (
	"safepy/internal/jail/cgroup"
)

// faultInjection takes walls away: for Prove, which tries what lies behind one, and for tests of what Prove notices. The zero value takes
// none, and no setting leads here.
type faultInjection struct {
	// settings changes what the runner is told, args the command line, bounds what is asked of the jail's cgroup; nil changes nothing.
	settings func(*settings)
	args     func([]string) []string
	bounds   func(*cgroup.Bounds)
	// noCgroup leaves jails out of any cgroup.
	noCgroup bool
	// noMemoryLimit leaves jobs all memory, as far as the worker is concerned.
	noMemoryLimit bool
	// noQuota leaves jobs at level Process as much room on disk as there is.
	noQuota bool
	// noLandlock leaves jails at level Process without it.
	noLandlock bool
}

// withSettings is f and, after what it does to the settings already, this.
func (f faultInjection) withSettings(change func(*settings)) faultInjection {
	before := f.settings
	f.settings = func(s *settings) {
		if before != nil {
			before(s)
		}
		change(s)
	}
	return f
}

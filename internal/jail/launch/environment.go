package launch

import (
	"slices"
	"strings"
)

// The one user of a jail, and its name for itself.
const (
	UserName = "user"
	HostName = "jail"
)

// environment is all that Python is given. One BLAS thread: more cost 140 MB of address space, start at import, and a fork server
// must have none. One malloc arena: each further one takes 64 MB of the job's address space. Functions are bound at once: else each child
// searches anew for those that its server has not called yet, 15 page faults.
var environment = []string{
	"PATH=/usr/bin", "LANG=C.UTF-8", "USER=" + UserName, "LOGNAME=" + UserName, "TERM=dumb", "HOME=/tmp", "TMPDIR=/tmp", "TZ=UTC",
	"PYTHONDONTWRITEBYTECODE=1",
	"OPENBLAS_NUM_THREADS=1", "OMP_NUM_THREADS=1", "MKL_NUM_THREADS=1", "NUMEXPR_NUM_THREADS=1",
	"MALLOC_ARENA_MAX=1", "MPLBACKEND=Agg", "MPLCONFIGDIR=/tmp", "LD_BIND_NOW=1",
}

// Environment is that of a jail at level Namespaces.
func Environment() []string { return slices.Clone(environment) }

func (s Spec) environment() []string {
	if s.Level == Namespaces {
		return environment
	}
	own := slices.Clone(environment)
	for i, e := range own {
		if name, _, _ := strings.Cut(e, "="); name == "HOME" || name == "TMPDIR" || name == "MPLCONFIGDIR" {
			own[i] = name + "=" + s.Directory
		}
	}
	return own
}

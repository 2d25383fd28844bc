package launch

import (
	"errors"
	"fmt"
	"os/exec"
)

// Backend is the program that builds the jail.
type Backend string

const (
	Nsjail     Backend = "nsjail"
	Bubblewrap Backend = "bubblewrap"
)

// FindBackend looks for the wanted program on PATH; wanted empty takes nsjail before bubblewrap.
func FindBackend(wanted Backend) (Backend, string, error) {
	names := map[Backend]string{Nsjail: "nsjail", Bubblewrap: "bwrap"}
	choices := []Backend{wanted}
	if wanted == "" {
		choices = []Backend{Nsjail, Bubblewrap}
	}
	for _, b := range choices {
		name, known := names[b]
		if !known {
			return "", "", fmt.Errorf("JAIL is %q; it may be auto, nsjail or bubblewrap", wanted)
		}
		if path, err := exec.LookPath(name); err == nil {
			return b, path, nil
		}
	}
	if wanted != "" {
		return "", "", fmt.Errorf("JAIL is %s, but %s is not on PATH; install it or set JAIL=auto", wanted, names[wanted])
	}
	return "", "", errors.New("neither nsjail nor bwrap is on PATH; install one (Debian: apt-get install bubblewrap)")
}

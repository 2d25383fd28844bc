package procfs

import (
	"fmt"
	"os"
	"time"
)

// RunDelay is how long a process's first thread has been ready to run and had no processor.
func RunDelay(pid int) (time.Duration, error) {
	text, err := os.ReadFile(Path(pid, "schedstat"))
	if err != nil {
		return 0, err
	}
	var ran, delay, slices int64
	if _, err := fmt.Sscan(string(text), &ran, &delay, &slices); err != nil {
		return 0, fmt.Errorf("schedstat %.80q: %w", text, err)
	}
	return time.Duration(delay), nil
}

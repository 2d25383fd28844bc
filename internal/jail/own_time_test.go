package jail

import (
	"os"
	"testing"
	"time"
)

// A job that has waited for a processor has the time back; one that has not, none, and for ever nobody does.
func TestOwnTime(t *testing.T) {
	o := newOwnTime(os.Getpid(), time.Second)
	if !o.known {
		t.Skip("the kernel keeps no schedstat")
	}
	for _, c := range []struct {
		name           string
		lasted, waited time.Duration
		left           bool
	}{
		{"never waited", time.Hour / 200, 0, false},
		{"waited half", time.Second, 500 * time.Millisecond, true},
		{"waited nearly always", 10 * time.Second, 9500 * time.Millisecond, true},
		{"waited for too long", 20 * time.Second, 20 * time.Second, false},
	} {
		q := *o
		q.begun = time.Now().Add(-c.lasted)
		q.before -= c.waited
		if got := q.more(); (got > 0) != c.left || got > time.Second {
			t.Errorf("%s: %s left", c.name, got)
		}
	}
	if (*ownTime)(nil).more() != 0 {
		t.Error("a job that is not patient has some")
	}
	gone := *o
	gone.pid = 1 << 29
	gone.before -= time.Second
	if gone.more() != 0 {
		t.Error("a process that is gone has time left")
	}
}

package jail

import (
	"testing"
	"time"
)

func TestParseEvent(t *testing.T) {
	for _, message := range []string{"", "ended", "ended 0 1", "ended 0 1 2", "ended 0 x 1 0", "ende", "{"} {
		if e, err := parseEvent([]byte(message)); err == nil {
			t.Errorf("%q is taken for %+v", message, e)
		}
	}
	e, err := parseEvent([]byte("ended 139 1500 4096 700000"))
	if want := (childEnd{status: 139, cpu: 1500 * time.Microsecond, maxRSS: 4096, namespaces: 700 * time.Microsecond}); err != nil ||
		e.ended == nil || *e.ended != want {
		t.Errorf("%+v, %v, want %+v", e.ended, err, want)
	}
	if e, err := parseEvent([]byte("forked")); err != nil || !e.forked {
		t.Errorf("%+v, %v", e, err)
	}
	if e, err := parseEvent([]byte(`{"pinned": 3, "why": "x"}`)); err != nil || e.Pinned == nil || *e.Pinned != 3 || e.Why != "x" {
		t.Errorf("%+v, %v", e, err)
	}
}

package jail

import (
	"strings"
	"testing"
)

// TestExperience: a jail starts with what those before it have found out.
func TestExperience(t *testing.T) {
	eachPlan(t, Config{}, nil, func(t *testing.T, c Config, p *plan) {
		p.profile = p.level == Namespaces
		code, arenas := p.experience.forStart(nil)
		if code == nil {
			t.Fatal("the first start has left no code")
		}
		if arenas == arenasAlone && p.level == Namespaces {
			t.Errorf("%d arenas are set aside, as before the first start", arenas)
		}
		start := func() (err error) {
			v, err := p.start(wanted{})
			if err == nil {
				v.close()
			}
			return err
		}
		if err := start(); err != nil {
			t.Fatal(err)
		}
		if again, _ := p.experience.forStart(nil); &again[0] != &code[0] {
			t.Error("the second start has compiled the runner once more")
		}

		// Python is another one than before: its code is of no use, and neither is what is left of it after that.
		p.experience.compiled([]byte("\x01\x02\x03\x04" + string(code[4:])))
		if err := start(); err == nil || !strings.Contains(err.Error(), "another python") {
			t.Errorf("with another Python's code: %v", err)
		}
		if err := start(); err != nil {
			t.Errorf("after that: %v", err)
		}
	})
}

// TestArenas: as many are set aside as the libraries need, whatever that is.
func TestArenas(t *testing.T) {
	x := newExperience()
	loaded := []string{"numpy", "pandas"}
	for _, step := range []struct {
		used    int
		preload []string
		want    int // before
	}{
		{used: 3, want: arenasAlone},
		{used: 26, preload: loaded, want: arenasLoaded},
		{used: 27, preload: loaded, want: 26 + arenasSpare},
		{used: 2, want: 3 + arenasSpare},
		{used: 90, preload: []string{"other"}, want: arenasLoaded},
		{used: 90, preload: []string{"other"}, want: 90 + arenasSpare},
	} {
		if _, arenas := x.forStart(step.preload); arenas != step.want {
			t.Errorf("%q: %d arenas, want %d", step.preload, arenas, step.want)
		}
		x.used(step.preload, step.used)
	}
}

package ports

import (
	"net"
	"testing"
)

func TestTake(t *testing.T) {
	taken := map[string]bool{}
	for range 200 {
		p, err := Take()
		if err != nil {
			t.Fatal(err)
		}
		defer p.Release()
		if taken[p.String()] {
			t.Fatalf("%s was given twice", p)
		}
		taken[p.String()] = true
	}
}

func TestRelease(t *testing.T) {
	p, err := Take()
	if err != nil {
		t.Fatal(err)
	}
	claimed := func() error {
		l, err := net.Listen("unix", "@safepy-port-"+p.String())
		if err == nil {
			l.Close()
		}
		return err
	}
	if claimed() == nil {
		t.Errorf("%s can be taken again", p)
	}
	p.Release()
	if err := claimed(); err != nil {
		t.Errorf("%s can't be taken after its release: %v", p, err)
	}
}

func TestTakenByListener(t *testing.T) {
	p, err := Take()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", p.Address())
	if err != nil {
		t.Fatal(err)
	}
	p.Release()
	if again, err := take(p.number, p.number); err == nil {
		t.Errorf("%s was given, on which somebody listens", again)
		again.Release()
	}
	l.Close()
	again, err := take(p.number, p.number)
	if err != nil {
		t.Fatalf("nobody listens on %s any more: %v", p, err)
	}
	again.Release()
}

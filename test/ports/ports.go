// Package ports finds TCP ports for programs that must be told one: those that others have to know before they start, or that
// come back after a restart.
package ports

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"syscall"
	"testing"
)

// The range is below the ports (32768 and up, unless an administrator moves them) that Linux gives to whoever asks for any: one
// of those can be somebody's outgoing connection by the time that a program listens.
const first, last = 20000, 29999

// A Port of 127.0.0.1 is the holder's until Release, among all processes that take theirs here.
type Port struct {
	number int
	claim  net.Listener
}

// Take finds a port that nobody listens on and nobody has taken.
func Take() (*Port, error) { return take(first, last) }

func take(first, last int) (*Port, error) {
	for _, offset := range rand.Perm(last - first + 1) {
		number := first + offset
		// A name in the abstract namespace goes with the process that has it, so no claim outlives its holder.
		claim, err := net.Listen("unix", fmt.Sprintf("@safepy-port-%d", number))
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			return nil, err
		}
		p := &Port{number: number, claim: claim}
		l, err := net.Listen("tcp", p.Address())
		if err == nil {
			l.Close()
			return p, nil
		}
		p.Release()
		if !errors.Is(err, syscall.EADDRINUSE) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("all ports of 127.0.0.1 from %d to %d are in use", first, last)
}

// For takes a port for a test, until its end.
func For(t testing.TB) string {
	t.Helper()
	p, err := Take()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Release)
	return p.String()
}

// Release gives the port back.
func (p *Port) Release() { p.claim.Close() }

// String is the number.
func (p *Port) String() string { return strconv.Itoa(p.number) }

// Address is host and port, to listen on or to connect to.
func (p *Port) Address() string { return net.JoinHostPort("127.0.0.1", p.String()) }

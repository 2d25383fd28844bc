package harness

import (
	"net"
	"sync"
	"testing"
	"time"
)

// Proxy is the network between two processes of a test, as far as it can be had without privileges: a TCP port of its own that
// leads to one address, and can be cut, held up or slowed down.
type Proxy struct {
	// Addr is where it listens, host:port.
	Addr string

	network, target string
	listener        net.Listener
	wg              sync.WaitGroup

	mu     sync.Mutex
	cut    bool
	delay  time.Duration
	held   chan struct{} // closed when traffic may go on; nil when it may anyhow
	conns  map[net.Conn]struct{}
	closed bool
}

// StartProxy listens on a free port of the loopback and leads to target, over tcp or unix.
func StartProxy(t testing.TB, network, target string) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Addr: listener.Addr().String(), network: network, target: target, listener: listener, conns: map[net.Conn]struct{}{}}
	p.wg.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// Cut ends all connections and takes no new ones, as when the other side's host is gone and says so.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = true
	p.drop()
}

// Hold keeps every connection, also new ones, and lets nothing through: as when packets get lost.
func (p *Proxy) Hold() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held == nil {
		p.held = make(chan struct{})
	}
}

// Slow lets every chunk of data wait for d.
func (p *Proxy) Slow(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// Heal ends a Cut, a Hold and a Slow. What was held up arrives now.
func (p *Proxy) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut, p.delay = false, 0
	p.release()
}

func (p *Proxy) release() {
	if p.held != nil {
		close(p.held)
		p.held = nil
	}
}

func (p *Proxy) drop() {
	for c := range p.conns {
		c.Close()
	}
}

func (p *Proxy) close() {
	p.mu.Lock()
	p.closed = true
	p.release()
	p.drop()
	p.mu.Unlock()
	p.listener.Close()
	p.wg.Wait()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.wg.Go(func() { p.serve(client) })
	}
}

func (p *Proxy) serve(client net.Conn) {
	if !p.enter(client) {
		return
	}
	defer p.leave(client)
	server, err := net.Dial(p.network, p.target)
	if err != nil || !p.enter(server) {
		return
	}
	defer p.leave(server)
	var both sync.WaitGroup
	both.Go(func() { p.copy(server, client) })
	p.copy(client, server)
	both.Wait()
}

// enter says whether a connection may be made at all.
func (p *Proxy) enter(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut || p.closed {
		c.Close()
		return false
	}
	p.conns[c] = struct{}{}
	return true
}

func (p *Proxy) leave(c net.Conn) {
	c.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

// copy moves data until one side ends, and then ends both.
func (p *Proxy) copy(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	chunk := make([]byte, 64<<10)
	for {
		n, err := from.Read(chunk)
		p.mu.Lock()
		held, delay := p.held, p.delay
		p.mu.Unlock()
		if delay > 0 {
			time.Sleep(delay) // the delay is what this is for
		}
		if held != nil {
			<-held
		}
		if n > 0 {
			if _, err := to.Write(chunk[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

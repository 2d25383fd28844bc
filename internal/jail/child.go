package jail

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// child is the worker's side of one forked process: what goes in, what comes out. Everything that comes out is hostile.
type child struct {
	stdin, job     *inlet
	stdout, stderr *reader
	result         *reader
	// sandboxed is closed at the first byte of the result, which the child sends from behind its walls, or at its end.
	sandboxed chan struct{}
	// flooded receives one value for each stream that passes its bound.
	flooded chan struct{}
	// ordered is when its fork was asked for, from its server's start on.
	ordered time.Duration
}

// traceSlack is what a result's own line takes beside it, and the trace of a job that has not answered.
const traceSlack = 128 << 10

// stdoutPipeBytes is room for a script that prints much: at the kernel's 64 kB it would wait for its reader sixteen times per MiB.
const stdoutPipeBytes = 256 << 10

// newChild opens the pipes of one job. theirs are its five descriptors, in the order that walls.py gives them, for the caller to
// close.
func newChild(l Limits) (c *child, theirs []int, err error) {
	var ours []int // stdin, stdout, stderr, job, result
	for _, toChild := range []bool{true, false, false, true, false} {
		own, other, err := pipe(toChild)
		if err != nil {
			closeAll(ours)
			closeAll(theirs)
			return nil, nil, err
		}
		ours, theirs = append(ours, own), append(theirs, other)
	}
	// Refused where a user has many pipes; then it is slower.
	_, _ = unix.FcntlInt(uintptr(theirs[1]), unix.F_SETPIPE_SZ, stdoutPipeBytes)
	c = &child{stdin: &inlet{fd: ours[0]}, job: &inlet{fd: ours[3]}, sandboxed: make(chan struct{}), flooded: make(chan struct{}, 3)}
	flood := int64(l.OutputBytes) * FloodFactor
	c.stdout = startReader(ours[1], l.OutputBytes, flood, c.flooded, nil)
	c.stderr = startReader(ours[2], l.OutputBytes, flood, c.flooded, nil)
	keep := l.maxOutputs() + l.ResultBytes + l.maxHeader() + traceSlack
	c.result = startReader(ours[4], keep, int64(keep), c.flooded, c.sandboxed)
	return c, theirs, nil
}

// pipe makes a pipe that leads to the child or from it. Our end can be waited for without a thread; the other blocks, as Python
// expects.
func pipe(toChild bool) (own, other int, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return 0, 0, fmt.Errorf("pipe: %w", err)
	}
	own, other = fds[0], fds[1]
	if toChild {
		own, other = fds[1], fds[0]
	}
	if _, err := unix.FcntlInt(uintptr(other), unix.F_SETFL, 0); err != nil {
		closeAll(fds[:])
		return 0, 0, fmt.Errorf("pipe: %w", err)
	}
	return own, other, nil
}

// inlet is our end of a pipe to the child. Most of what is sent fits the pipe, and the poller need not know of it.
type inlet struct {
	fd     int
	file   *os.File // the poller's, once something did not fit
	closed bool
	sent   chan struct{} // closed when all of it is on its way
}

// send writes all of data, in its own time: a pipe holds little, and the script may never read. To be called once at most; close ends
// the writing.
func (i *inlet) send(data []byte) {
	if len(data) == 0 || i.closed {
		return
	}
	n, err := unix.Write(i.fd, data)
	if n == len(data) || err != nil && err != unix.EAGAIN {
		return // a child that is gone is noticed elsewhere
	}
	i.file = os.NewFile(uintptr(i.fd), "pipe")
	i.sent = make(chan struct{})
	go func() {
		defer close(i.sent)
		i.file.Write(data[max(n, 0):])
	}()
}

// end lets the child read an end behind what has been sent.
func (i *inlet) end() {
	if i.sent == nil {
		i.close()
		return
	}
	go func() {
		<-i.sent
		i.file.Close()
	}()
}

func (i *inlet) close() {
	if i.closed {
		return
	}
	i.closed = true
	if i.file != nil {
		i.file.Close()
		return
	}
	unix.Close(i.fd)
}

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}

// failure is why the child could not be sandboxed, or nil. Valid once sandboxed is closed.
func (c *child) failure() error {
	first := c.result.bytes()
	switch {
	case len(first) == 0:
		return errors.New("the jail's child ended before it was sandboxed")
	case first[0] == '!':
		<-c.result.done
		return fmt.Errorf("walls: %s", c.result.bytes()[1:])
	}
	return nil
}

// close lets go of the child, whatever its state; its readers end with it.
func (c *child) close() {
	c.stdin.close()
	c.job.close()
	for _, r := range []*reader{c.stdout, c.stderr, c.result} {
		r.file.Close()
		<-r.done
	}
}

// reader takes in one pipe to its end, keeps the first bytes and throws the rest away.
type reader struct {
	file *os.File
	done chan struct{} // closed at the end of the pipe
	// first is when the first byte or the end came, known when first, in startReader, is closed.
	first time.Time

	mu    sync.Mutex
	kept  []byte
	total int64
	// grown is told of what comes, where somebody watches.
	grown chan struct{}
}

// startReader keeps the first keep bytes. flooded gets one value when more than flood have come; first is closed at the first
// byte or at the end.
func startReader(fd, keep int, flood int64, flooded chan<- struct{}, first chan<- struct{}) *reader {
	f := os.NewFile(uintptr(fd), "pipe")
	r := &reader{file: f, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		came := func() {
			if first != nil {
				r.first = time.Now()
				close(first)
				first = nil
			}
		}
		defer came()
		buffer := make([]byte, 4<<10)
		for {
			n, err := f.Read(buffer)
			if n > 0 {
				before := r.total
				r.add(buffer[:n], keep)
				if before <= flood && r.total > flood {
					flooded <- struct{}{}
				}
				came()
			}
			if err != nil {
				return
			}
			if n == len(buffer) && n < 256<<10 {
				buffer = make([]byte, 256<<10) // most jobs write little; those that write much are read in large pieces
			}
		}
	}()
	return r
}

func (r *reader) add(p []byte, keep int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.total += int64(len(p))
	p = p[:min(max(0, keep-len(r.kept)), len(p))]
	if have := len(r.kept); have > 0 && have+len(p) > cap(r.kept) {
		r.kept = slices.Grow(r.kept, min(keep, 4*(have+len(p)))-have) // one copy on the way to a megabyte, not four
	}
	r.kept = append(r.kept, p...)
	if r.grown != nil {
		notify(r.grown)
	}
}

// bytes is what has been kept so far.
func (r *reader) bytes() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.kept
}

// cut reports whether more came than was kept.
func (r *reader) cut() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.total > int64(len(r.kept))
}

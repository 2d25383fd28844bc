package jail

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"safepy/internal/jail/procfs"
)

// event is one message of the server. What comes with each job is a few words, the rest JSON.
type event struct {
	Ready  map[string]string `json:"ready"`
	Arenas int               `json:"arenas"` // in use, of those set aside
	// Loaded are the first names of the modules beside the standard library's; Unloaded says why optional libraries are not loaded.
	Loaded   []string          `json:"loaded"`
	Unloaded map[string]string `json:"unloaded"`
	Error    string            `json:"error"`
	Pinned   *int              `json:"pinned"`
	Shared   int               `json:"shared"`
	Why      string            `json:"why"`
	// Compiled is the size of the runner's code, which follows.
	Compiled int `json:"compiled"`

	forked bool
	pid    int       // of the sender, or of the forked child
	ended  *childEnd // how a child ended
}

type childEnd struct {
	status syscall.WaitStatus
	cpu    time.Duration
	maxRSS int64
	// namespaces is how long the server took to make the latest ones, for a job to come.
	namespaces time.Duration
	// left is its working directory, where it has not answered and something is in it. To be closed.
	left *os.File
}

// lost is that the server is gone, by its own word where it has said one.
func (e event) lost() error {
	if e.Error != "" {
		return fmt.Errorf("%w: %s", errJailLost, e.Error)
	}
	return errJailLost
}

func (v *server) receive() (event, error) {
	n, oob, _, _, err := v.control.ReadMsgUnix(v.message, v.ancillary)
	if err != nil {
		return event{}, err
	}
	if n == 0 {
		return event{}, io.EOF
	}
	e, err := parseEvent(v.message[:n])
	if err != nil {
		return event{}, fmt.Errorf("control message: %w", err)
	}
	var left *os.File
	e.pid, left = ancillaryData(v.ancillary[:oob])
	switch {
	case e.ended != nil:
		e.ended.left = left
	case left != nil:
		left.Close()
	}
	return e, nil
}

func parseEvent(message []byte) (e event, err error) {
	word, rest, _ := bytes.Cut(message, []byte(" "))
	switch string(word) {
	case "forked":
		e.forked = true
	case "ended": // status, CPU time in us, most memory in bytes, time for namespaces in ns
		var numbers [4]int64
		for i := range numbers {
			word, rest, _ = bytes.Cut(rest, []byte(" "))
			if numbers[i], err = strconv.ParseInt(string(word), 10, 64); err != nil {
				return e, err
			}
		}
		e.ended = &childEnd{
			status: syscall.WaitStatus(numbers[0]), cpu: time.Duration(numbers[1]) * time.Microsecond, maxRSS: numbers[2],
			namespaces: time.Duration(numbers[3]),
		}
	default:
		err = json.Unmarshal(message, &e)
	}
	return e, err
}

// killedFirst is the OOM score of a job's process: the kernel kills it before the fork server, which may be larger, and before the worker.
const killedFirst = 1000

func (v *server) listen() {
	defer close(v.events)
	defer close(v.knows)
	for {
		e, err := v.receive()
		if err != nil {
			return
		}
		if e.forked {
			procfs.SetOOMScore(e.pid, killedFirst)
			v.forkedAt.Store(int64(time.Since(v.started)))
			v.forked.Store(int64(e.pid))
			select {
			case v.knows <- true:
			default:
			}
			continue
		}
		v.events <- e
	}
}

// ancillaryData is what the kernel says of a message's sender, and the folder that it has sent along, if any.
func ancillaryData(oob []byte) (pid int, folder *os.File) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return 0, nil
	}
	for _, m := range messages {
		switch m.Header.Type {
		case unix.SCM_CREDENTIALS:
			if cred, err := unix.ParseUnixCredentials(&m); err == nil {
				pid = int(cred.Pid)
			}
		case unix.SCM_RIGHTS:
			if fds, err := unix.ParseUnixRights(&m); err == nil && len(fds) > 0 {
				folder = os.NewFile(uintptr(fds[0]), "left")
				closeAll(fds[1:])
			}
		}
	}
	return pid, folder
}

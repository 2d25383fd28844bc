package jail

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
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
	e.pid = senderPID(v.ancillary[:oob])
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
		e.ended = &childEnd{syscall.WaitStatus(numbers[0]), time.Duration(numbers[1]) * time.Microsecond, numbers[2], time.Duration(numbers[3])}
	default:
		err = json.Unmarshal(message, &e)
	}
	return e, err
}

func (v *server) listen() {
	defer close(v.events)
	defer close(v.knows)
	for {
		e, err := v.receive()
		if err != nil {
			return
		}
		if e.forked {
			expose(e.pid)
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

func senderPID(oob []byte) int {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil || len(messages) == 0 {
		return 0
	}
	cred, err := unix.ParseUnixCredentials(&messages[0])
	if err != nil {
		return 0
	}
	return int(cred.Pid)
}

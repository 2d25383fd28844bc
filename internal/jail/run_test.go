package jail

import (
	"encoding/binary"
	"encoding/json"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

func TestNarrowed(t *testing.T) {
	pool := Limits{Timeout: 10 * time.Second, MemoryMB: 100, DiskMB: 64}
	for _, c := range []struct {
		name    string
		job     Job
		timeout time.Duration
		memory  int
	}{
		{"nothing asked", Job{}, 10 * time.Second, 100},
		{"less", Job{Timeout: time.Second, MemoryMB: 50}, time.Second, 50},
		{"as much", Job{Timeout: 10 * time.Second, MemoryMB: 100}, 10 * time.Second, 100},
		{"more", Job{Timeout: time.Hour, MemoryMB: 1 << 20}, 10 * time.Second, 100},
		{"negative", Job{Timeout: -1, MemoryMB: -1}, 10 * time.Second, 100},
	} {
		if got := pool.narrowed(c.job); got.Timeout != c.timeout || got.MemoryMB != c.memory || got.DiskMB != 64 {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
	if pool.Timeout != 10*time.Second {
		t.Error("one job's limits have become the pool's")
	}
}

func TestCPUSeconds(t *testing.T) {
	for timeout, want := range map[time.Duration]int{
		time.Millisecond: 2, time.Second - 1: 2, time.Second: 2, time.Second + 1: 3, 1500 * time.Millisecond: 3, 10 * time.Second: 11,
	} {
		if got := cpuSeconds(timeout); got != want || time.Duration(got)*time.Second < timeout {
			t.Errorf("%s: %d, want %d", timeout, got, want)
		}
	}
}

func TestEncodeOrder(t *testing.T) {
	args := `{"n":123456789012345678901234567890,"s":"\ud800"}`
	blob, err := encodeOrder(Job{Script: "é\n", Args: json.RawMessage(args)}, Limits{Timeout: time.Second, MemoryMB: 3})
	if err != nil {
		t.Fatal(err)
	}
	if size := binary.BigEndian.Uint64(blob); size != uint64(len(blob)-8) {
		t.Errorf("says %d bytes, has %d", size, len(blob)-8)
	}
	var got order
	if err := json.Unmarshal(blob[8:], &got); err != nil {
		t.Fatal(err)
	}
	if got.Script != "é\n" || string(got.Args) != args || got.CPUSeconds != 2 {
		t.Errorf("%+v", got)
	}
	if _, err := encodeOrder(Job{Args: json.RawMessage("{")}, Limits{}); err == nil {
		t.Error("args that are no JSON are taken")
	}
}

// An inlet neither waits for a reader that never comes nor loses what a slow one takes.
func TestInlet(t *testing.T) {
	open := func() (*inlet, *os.File) {
		own, other, err := pipe(true)
		if err != nil {
			t.Fatal(err)
		}
		return &inlet{fd: own}, os.NewFile(uintptr(other), "pipe")
	}
	for _, size := range []int{0, 1, 4 << 10, 4<<10 + 1, 64 << 10, 64<<10 + 1, 1 << 20} {
		i, r := open()
		data := strings.Repeat("x", size)
		i.send([]byte(data))
		i.end()
		got, err := io.ReadAll(r)
		if err != nil || string(got) != data {
			t.Errorf("%d bytes: %d came, %v", size, len(got), err)
		}
		i.close()
		i.close()
		r.Close()
	}
	i, r := open()
	i.send(make([]byte, 1<<20))
	i.end()
	i.close() // the writer must not be left behind, which goleak sees
	r.Close()
	i, r = open()
	r.Close()
	i.send([]byte("to nobody"))
	i.close()
}

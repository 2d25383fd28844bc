package hostile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"safepy/test/harness"
)

// victim keeps a secret in a file, in memory and in a name, and answers when it has not been disturbed for a second.
const victim = `
import os, signal, time
secret = "secret of a neighbour " + str(4321 * 2)
def main(**_):
    with open("neighbour.txt", "w") as f:
        f.write(secret)
    os.chmod("neighbour.txt", 0o666)
    os.chmod(".", 0o777)
    calls = []
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGINT):
        signal.signal(number, lambda number, frame: calls.append(number))
    end = time.monotonic() + 1
    while time.monotonic() < end:
        time.sleep(0.01)
    with open("neighbour.txt") as f:
        return {"file": f.read(), "signals": calls, "files": sorted(set(os.listdir(".")) - {"__pycache__"})}
`

// burglar looks for it everywhere, and hits everybody.
const burglar = `
import os, signal
def main(**_):
    found = []
    for top in ("/", "/tmp", "/dev", "/dev/shm", "/var", "/run", "/proc", ".."):
        for folder, folders, names in os.walk(top):
            if folder.count("/") > 4 or folder.startswith(("/usr", "/lib")):
                folders[:] = []
                continue
            for name in names:
                if name == "neighbour.txt":
                    found.append(os.path.join(folder, name))
    me = os.getpid()
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGSTOP, signal.SIGKILL):
        for target in [-1, *range(2, 400), *range(max(2, me - 400), me + 400)]:
            if target != me:
                try:
                    os.kill(target, number)
                except OSError:
                    pass
    return found
`

// speaker locks whatever all jobs can open, in every way, and stays for a while.
const speaker = `
import fcntl, os, time
def main(**_):
    kept = []
    for path in ("/dev/null", "/dev/zero", "/etc/ld.so.cache", os.__file__):
        try:
            kept.append(open(path, "rb"))
        except OSError:
            continue
        for lock in (lambda f: fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB), lambda f: fcntl.lockf(f, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, 42)):
            try:
                lock(kept[-1])
            except OSError:
                pass
        try:
            os.utime(path)
        except OSError:
            pass
    time.sleep(1)
`

// listener asks whether anybody has.
const listener = `
import fcntl, os, struct
def main(**_):
    heard = []
    for path in ("/dev/null", "/dev/zero", "/etc/ld.so.cache", os.__file__):
        try:
            f = open(path, "rb")
        except OSError:
            continue
        try:
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            heard.append("flock on " + path)
        for command in (fcntl.F_GETLK, 36):
            answer = fcntl.fcntl(f, command, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
            if struct.unpack_from("h", answer)[0] != fcntl.F_UNLCK:
                heard.append("a lock on " + path)
    return heard
`

// TestNeighbours runs two jobs at once, one of which is after the other.
func TestNeighbours(t *testing.T) {
	eachJail(t, 2, func(t *testing.T, s *service) {
		normal := s.normal(t)
		t.Run("files and signals", func(t *testing.T) {
			id := s.submit(t, request{Script: victim})
			j := s.run(t, request{Script: burglar})
			if j.Status != "completed" || string(j.Result) != "[]" {
				t.Errorf("the burglar ended like this: %.1000s", j.whole)
			}
			v := s.await(t, id, func(status string) bool { return status != "queued" && status != "running" })
			if want := `{"file":"secret of a neighbour 8642","signals":[],"files":["neighbour.txt"]}`; string(v.Result) != want {
				t.Errorf("the victim ended like this: %.1000s", v.whole)
			}
		})
		t.Run("locks", func(t *testing.T) {
			// Programs of the host may have locked the same files: what counts is what the speaker adds.
			before := s.run(t, request{Script: listener})
			id := s.submit(t, request{Script: speaker})
			if j := s.run(t, request{Script: listener}); j.Status != "completed" || string(j.Result) != string(before.Result) {
				t.Errorf("the listener ended like this: %.1000s\nand without a speaker like this: %.1000s", j.whole, before.whole)
			}
			if v := s.await(t, id, func(status string) bool { return status != "queued" && status != "running" }); v.Status != "completed" {
				t.Errorf("the speaker ended like this: %.1000s", v.whole)
			}
		})
		t.Run("processor", func(t *testing.T) {
			burn := "import threading, numpy\ndef main():\n    threading.stack_size(256 << 10)\n    a = numpy.ones((200, 200))\n" +
				"    def burn():\n        while True: a @ a\n    for _ in range(15): threading.Thread(target=burn, daemon=True).start()\n    burn()\n"
			id := s.submit(t, request{Script: burn, Limits: map[string]int{"timeout_ms": 2000}})
			for range 5 {
				s.honest(t, normal)
			}
			s.await(t, id, func(status string) bool { return status == "failed" })
		})
		t.Run("random numbers", func(t *testing.T) {
			seen := map[string]string{}
			for range 6 {
				j := s.run(t, request{Script: `
import os, random, secrets, tempfile, uuid
def main():
    import numpy
    with tempfile.NamedTemporaryFile() as f:
        return {"random": repr(random.random()), "numpy": repr(float(numpy.random.rand())), "generator": repr(float(numpy.random.default_rng().random())),
                "uuid": str(uuid.uuid4()), "secrets": secrets.token_hex(), "urandom": os.urandom(8).hex(), "name": f.name}
`})
				var drawn map[string]string
				if err := json.Unmarshal(j.Result, &drawn); err != nil || len(drawn) != 7 {
					t.Fatalf("%v: %.1000s", err, j.whole)
				}
				for source, value := range drawn {
					if before, again := seen[value]; again {
						t.Errorf("%s drew %s, as %s had in another job", source, value, before)
					}
					seen[value] = source
				}
			}
		})
		s.bait.untouched(t)
	})
}

// submit sends a job and returns when it runs.
func (s *service) submit(t *testing.T, r request) string {
	t.Helper()
	body, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.Post(s.URL+"/jobs", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var j job
	if err := json.NewDecoder(answer.Body).Decode(&j); err != nil || answer.StatusCode != http.StatusAccepted {
		t.Fatalf("%s: %v", answer.Status, err)
	}
	s.await(t, j.ID, func(status string) bool { return status != "queued" })
	return j.ID
}

// await asks for a job until its status is right.
func (s *service) await(t *testing.T, id string, right func(status string) bool) *job {
	t.Helper()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for end := time.Now().Add(harness.Patience); time.Now().Before(end); <-again.C {
		j, err := s.get(id)
		if err != nil {
			t.Fatal(err)
		}
		if right(j.Status) {
			return j
		}
	}
	t.Fatalf("job %s did not get there within %s", id, harness.Patience)
	return nil
}

func (s *service) get(id string) (*job, error) {
	answer, err := client.Get(s.URL + "/jobs/" + id)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	whole, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %.500s", answer.Status, whole)
	}
	j := &job{whole: whole}
	return j, json.Unmarshal(whole, j)
}

package jail

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

//go:embed runner/*.py
var runnerFiles embed.FS

// runnerModules in the order in which they import one another; boot.py receives them.
var runnerModules = []string{
	"linux", "memory", "denied", "modules", "convert", "keys", "columns", "encode", "installed", "hints", "report", "walls", "files",
	"display", "figures", "notebook", "holder", "machine",
	"streams", "ending", "script", "job", "libraries", "rehearse", "server",
}

// Arenas, of 1 MB, that a server sets aside for what Python allocates, before any other has shown how many its libraries take: pandas and
// all it brings 26, the standard library alone 3, with what the full flavour has 66. What is over is given back.
const arenasLoaded, arenasAlone, arenasFull = 48, 4, 96

// arenasSpare are set aside beyond what was needed the last time, which is not the same each time.
const arenasSpare = 2

// experience is what the starts of a pool's jails leave to those after them.
type experience struct {
	mu sync.Mutex
	// code is the runner's modules as Python has compiled them, as boot.py sends and takes it; nil until it is known. It is from a jail
	// that had run no job yet.
	code []byte
	// arenas is how many the servers with these libraries have in use.
	arenas map[string]int
}

func newExperience() *experience { return &experience{arenas: map[string]int{}} }

// forStart is what is known for a start with these libraries.
func (x *experience) forStart(preload []string) (code []byte, arenas int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if used, known := x.arenas[strings.Join(preload, ",")]; known {
		return x.code, used + arenasSpare
	}
	if len(preload) > len(dataLibraries) {
		return x.code, arenasFull
	}
	if len(preload) > 0 {
		return x.code, arenasLoaded
	}
	return x.code, arenasAlone
}

func (x *experience) compiled(code []byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.code = code
}

func (x *experience) used(preload []string, arenas int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.arenas[strings.Join(preload, ",")] = arenas
}

// boot sends the settings and the runner, and waits for the libraries to be loaded. A start at low priority has
// it until v.restorePriority is called.
func (v *server) boot(p *plan, s settings, lowPriority bool) error {
	v.control.SetDeadline(time.Now().Add(startTimeout))
	defer v.control.SetDeadline(time.Time{})
	up, err := v.receive()
	if err != nil {
		return v.broken("start", err)
	}
	if up.pid == 0 { // signals to 0 would reach this process's own group
		return errors.New("the jail's python cannot be seen from here")
	}
	v.pid = up.pid
	if lowPriority {
		v.restorePriority = lowerPriority(v.pid, lowPriorityAtMost)
	}
	code, arenas := p.experience.forStart(s.Preload)
	if s.Once {
		arenas = 0
	}
	blob, err := bootBlob(s, code)
	if err != nil {
		return err
	}
	if _, err := v.control.Write(fmt.Appendf(nil, "%d %d", len(blob), arenas)); err != nil {
		return v.broken("start", err)
	}
	for chunk := blob; len(chunk) > 0; {
		n := min(len(chunk), chunkBytes)
		if _, err := v.control.Write(chunk[:n]); err != nil {
			return v.broken("start", err)
		}
		chunk = chunk[n:]
	}
	if code == nil {
		if code, err = v.receiveCode(); err != nil {
			return v.broken("start", err)
		}
		p.experience.compiled(code)
	}
	e, err := v.receive()
	switch {
	case err != nil:
		err = v.broken("start", err)
	case e.Error != "":
		err = errors.New(e.Error)
	}
	if err != nil {
		p.experience.compiled(nil) // should that be the reason: another Python has taken the place of the one that compiled it
		return err
	}
	v.versions, v.loaded, v.unloaded = e.Ready, setOf(e.Loaded), e.Unloaded
	if arenas > 0 && e.Arenas > 0 {
		p.experience.used(s.Preload, e.Arenas)
	}
	return nil
}

// chunkBytes is as much as one message of the control socket holds.
const chunkBytes = 64 << 10

// bootBlob is what boot.py reads: parts with a line before each that says what it is, and the settings.
func bootBlob(s settings, code []byte) ([]byte, error) {
	var blob []byte
	add := func(name string, part []byte, wanted int) {
		blob = append(fmt.Appendf(blob, "%s %d %d\n", name, len(part), wanted), part...)
	}
	for _, m := range s.Modules {
		add(m[0], []byte(m[1]), 0)
	}
	if code != nil {
		add("compiled", code, 0)
	} else {
		for _, name := range runnerModules {
			source, err := runnerFiles.ReadFile("runner/" + name + ".py")
			if err != nil {
				return nil, err
			}
			add(name, source, 1)
		}
	}
	told, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	return append(blob, told...), nil
}

// receiveCode takes the runner's modules as the server has compiled them: their size, and then they, in parts.
func (v *server) receiveCode() ([]byte, error) {
	e, err := v.receive()
	if err != nil {
		return nil, err
	}
	code, chunk := make([]byte, 0, e.Compiled), make([]byte, chunkBytes)
	for len(code) < e.Compiled {
		n, err := v.control.Read(chunk)
		if err != nil {
			return nil, err
		}
		code = append(code, chunk[:n]...)
	}
	return code, nil
}

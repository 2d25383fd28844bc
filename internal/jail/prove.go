package jail

import (
	"context"
	"crypto/rand"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"safepy/internal/jail/launch"
)

// Wall is one of the things that hold a job, and whether it stood when it was attacked.
type Wall struct {
	Name string
	// PromisedBy names the mechanism; it is empty where the pool's level promises nothing.
	PromisedBy string
	// Tried is the attack in words.
	Tried string
	Held  bool
	// Reached is what the attack got hold of.
	Reached string
}

// Promised reports whether the pool's level promises the wall.
func (w Wall) Promised() bool { return w.PromisedBy != "" }

//go:embed attacks/*.py
var attackFiles embed.FS

// The attacks have attackTimeout, whatever jobs have; the endless one has proofTimeout. What an attack has left running is looked for
// until survivorPatience is over: the kernel has killed it by then, but each of them needs a processor once more to go, and on a busy
// machine two seconds were too few for one of fifty.
const (
	attackTimeout    = 30 * time.Second
	proofTimeout     = 150 * time.Millisecond
	survivorPatience = 10 * time.Second
)

// proofPart tries walls in a jail that it makes for it, and returns what each has let through.
type proofPart func(*Pool, context.Context, *decoys) (map[string]string, error)

var proofParts = []proofPart{(*Pool).attackComplete, (*Pool).attackBeneath, (*Pool).attackWhole}

// Prove attacks jails of the pool's kind, made for this and ended afterwards, and reports every wall. The error names the promised
// ones that did not stand, or says that they could not be tried; either way nothing should be run here.
func (p *Pool) Prove(ctx context.Context) ([]Wall, error) {
	found, err := p.tryWalls(ctx, proofParts...)
	if err != nil {
		return nil, err
	}
	for _, w := range wallsOf(p.plan) {
		if _, tried := found[w.Name]; !tried {
			return nil, fmt.Errorf("prove the walls: nobody has tried %q", w.Name)
		}
	}
	return p.judge(found)
}

// tryWalls runs parts of the proof side by side.
func (p *Pool) tryWalls(ctx context.Context, parts ...proofPart) (map[string]string, error) {
	b, err := layDecoys()
	if err != nil {
		return nil, fmt.Errorf("prove the walls: %w", err)
	}
	defer b.close()
	reached, failures := make([]map[string]string, len(parts)), make([]error, len(parts))
	var all sync.WaitGroup
	for i, part := range parts {
		all.Go(func() { reached[i], failures[i] = part(p, ctx, b) })
	}
	all.Wait()
	if err := errors.Join(failures...); err != nil {
		return nil, fmt.Errorf("prove the walls: %w", err)
	}
	found := map[string]string{}
	for _, walls := range append(reached, b.disturbed()) {
		for wall, reached := range walls {
			if found[wall] == "" {
				found[wall] = reached
			}
		}
	}
	return found, nil
}

// judge compares what was found of the walls that were tried with what the level promises.
func (p *Pool) judge(found map[string]string) ([]Wall, error) {
	var walls []Wall
	var fallen []string
	for _, w := range wallsOf(p.plan) {
		reached, tried := found[w.Name]
		if !tried {
			continue
		}
		w.Held, w.Reached = reached == "", reached
		walls = append(walls, w)
		if w.Promised() && !w.Held {
			fallen = append(fallen, fmt.Sprintf("%s (%s): %s", w.Name, w.PromisedBy, w.Reached))
		}
	}
	if len(fallen) > 0 {
		return walls, fmt.Errorf("walls that level %s promises do not stand here: %s", p.plan.level, strings.Join(fallen, "; "))
	}
	return walls, nil
}

// proving opens a pool of the same kind with one slot and nothing preloaded.
func (p *Pool) proving(ctx context.Context, plan plan, alter func(*settings)) (*Pool, error) {
	plan.denied, plan.limits.Timeout = nil, attackTimeout
	plan.faults = plan.faults.withSettings(alter)
	c := p.config
	c.Slots, c.Spare, c.Preload, c.Denied, c.Logger = 1, 0, nil, nil, slog.New(slog.DiscardHandler)
	return openAs(ctx, c, &plan)
}

// attackComplete tries the walls of a jail as every job has it, with one attack after the other in it.
func (p *Pool) attackComplete(ctx context.Context, b *decoys) (map[string]string, error) {
	own, err := p.proving(ctx, *p.plan, func(s *settings) { s.Rehearse = false })
	if err != nil {
		return nil, err
	}
	defer own.Close()
	ids := own.idsOfHost()
	answer, err := own.attack(ctx, b, "filtered.py")
	if err != nil {
		return nil, err
	}
	found := answer.Found
	found["ids of its own"] = ids
	found["worker's environment"] = leaked(answer.Environment)

	found["time"], found["predecessors"], err = own.attackTime(ctx)
	return found, err
}

// idsOfHost is the table of ids of a warm jail when it is the worker's own: the kernel shows both as the worker sees them.
func (p *Pool) idsOfHost() string {
	own, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return err.Error()
	}
	jail, err := os.ReadFile(fmt.Sprintf("/proc/%d/uid_map", p.aServer()))
	if err != nil {
		return err.Error()
	}
	if string(own) == string(jail) {
		return "the ids are the host's: " + strings.Join(strings.Fields(string(jail)), " ")
	}
	return ""
}

// aServer is the pid of the Python in a jail that is idle.
func (p *Pool) aServer() int {
	p.data.mu.Lock()
	defer p.data.mu.Unlock()
	return p.data.idle[0].pid
}

// attackTime runs the attack that never ends. On a busy machine it may not have said a whole line when its time is over; then it has
// more.
func (p *Pool) attackTime(ctx context.Context) (late, left string, err error) {
	script, err := attackFiles.ReadFile("attacks/endless.py")
	if err != nil {
		return "", "", err
	}
	for timeout := proofTimeout; ; timeout *= 4 {
		late = ""
		begun := time.Now()
		o, err := p.Run(ctx, Job{Script: string(script), Timeout: timeout})
		if err != nil {
			return "", "", err
		}
		if took := time.Since(begun); o.Failure == nil || o.Failure.Code != Timeout || took > timeout+startTimeout/2 {
			late = fmt.Sprintf("still there after %s: %+v", took, o.Failure)
		}
		first := timeout == proofTimeout
		said := strings.HasSuffix(o.Stdout.Text, "\n")
		if (!said || late != "" && first) && timeout*4 < attackTimeout {
			continue // late: this process may itself have been stopped meanwhile
		}
		if o.Stdout.Text != "[]\n" {
			left = fmt.Sprintf("files of the job before: %q", o.Stdout.Text)
		}
		return late, left, nil
	}
}

// attackBeneath tries what remains when the job's own filter is away, and the cgroup, which could stand in for an rlimit and for the
// worker.
func (p *Pool) attackBeneath(ctx context.Context, b *decoys) (map[string]string, error) {
	plan := *p.plan
	plan.cgroups = nil
	own, err := p.proving(ctx, plan, func(s *settings) { s.Rehearse, s.Profile, s.Seccomp = false, false, nil })
	if err != nil {
		return nil, err
	}
	defer own.Close()
	answer, err := own.attack(ctx, b, "beneath.py")
	if err != nil {
		return nil, err
	}
	found := answer.Found
	found["nothing outlives its job"] = b.survivors()
	found["memory"], err = own.attackMemory(ctx)
	return found, err
}

// attackAnswer is what the attacks return.
type attackAnswer struct {
	Found       map[string]string `json:"found"`
	Environment map[string]string `json:"environment"`
}

func (p *Pool) attack(ctx context.Context, b *decoys, name string) (attackAnswer, error) {
	var a attackAnswer
	script, err := attackFiles.ReadFile("attacks/" + name)
	if err != nil {
		return a, err
	}
	args, err := json.Marshal(b.args(p.plan))
	if err != nil {
		return a, err
	}
	o, err := p.Run(ctx, Job{Script: string(script), Args: args})
	if err != nil {
		return a, err
	}
	if o.Failure != nil {
		return a, fmt.Errorf("%s: %s", name, o.Failure.Message)
	}
	if err := json.Unmarshal(o.Result, &a); err != nil || a.Found == nil {
		return a, fmt.Errorf("%s answered %.200s", name, o.Result)
	}
	return a, nil
}

// leaked names a variable that a job has from the worker's environment and not from the jail's.
func leaked(seen map[string]string) string {
	for _, own := range os.Environ() {
		name, value, _ := strings.Cut(own, "=")
		for inside, v := range seen {
			// bubblewrap itself sets PWD, and /tmp is what it may be anywhere.
			given := inside == "PWD" || slices.ContainsFunc(launch.Environment(), func(e string) bool { return strings.HasPrefix(e, inside+"=") })
			if !given && (inside == name && v == value || len(value) >= 8 && strings.Contains(v, value)) {
				return inside
			}
		}
	}
	return ""
}

// survivors names processes of the attack that are still there when it has been answered for a while.
func (b *decoys) survivors() string {
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for end := time.Now().Add(survivorPatience); ; <-again.C {
		left := b.marked()
		if left == 0 {
			return ""
		}
		if time.Now().After(end) {
			return fmt.Sprintf("%d processes", left)
		}
	}
}

func (b *decoys) marked() int {
	names, _ := filepath.Glob("/proc/[0-9]*/comm")
	count := 0
	for _, path := range names {
		if name, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(name)) == b.mark {
			count++
		}
	}
	return count
}

// newMark is a process name that nobody else has; the kernel keeps 15 bytes.
func newMark() string { return "proof-" + rand.Text()[:9] }

package jobs

import (
	"embed"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

//go:embed lua
var luaFiles embed.FS

// The scripts are the only writers of job records. Each documents its keys, arguments and answer in its first lines, and has before it
// what it needs of the shared files.
var (
	submitScript   = script("submit")
	pickScript     = script("pick")
	finishScript   = script("finish")
	releaseScript  = script("takeback", "release")
	sweepScript    = script("takeback", "sweep")
	auditScript    = script("audit")
	progressScript = script("progress")
	followScript   = script("follow")
	streamScript   = script("stream")
	cancelScript   = script("cancel")
	watchScript    = script("watch")
	admitScript    = script("admit")
)

// What stands in Go, as Lua has it.
var (
	luaPriorities = "local priorities = {'" + joined(priorities, func(p Priority) string { return string(p) }, "', '") + "'}\n"
	luaSchedule   = "local schedule = {" + joined(schedule, func(p Priority) string { return strconv.Itoa(p.rank() + 1) }, ", ") + "}\n"
)

func joined(all []Priority, text func(Priority) string, between string) string {
	var texts []string
	for _, p := range all {
		texts = append(texts, text(p))
	}
	return strings.Join(texts, between)
}

// declares finds the name that a part of a shared file declares: each declares one, and does nothing.
var declares = regexp.MustCompile(`^local (?:function )?(\w+)`)

// script joins the shared files and those named, without comments, indentation and what the last of them has no use for: an embedded
// Redis reads a script anew for each call, which costs more than running it.
func script(names ...string) *redis.Script {
	parts := []string{luaPriorities, luaSchedule}
	last := len(names) - 1
	for _, name := range append([]string{"shares", "prelude"}, names[:last]...) {
		parts = append(parts, partsOf(name)...)
	}
	kept := strings.Join(partsOf(names[last]), "")
	for _, part := range slices.Backward(parts) {
		if regexp.MustCompile(`\b` + declares.FindStringSubmatch(part)[1] + `\b`).MatchString(kept) {
			kept = part + kept
		}
	}
	return redis.NewScript(kept)
}

// partsOf are a file's declarations and statements: each begins where a line is not indented, and is neither the end of one nor its middle.
func partsOf(name string) (parts []string) {
	text, err := luaFiles.ReadFile("lua/" + name + ".lua")
	if err != nil {
		panic(err) // it is in the program
	}
	for line := range strings.Lines(string(text)) {
		code := strings.TrimSpace(line)
		if code == "" || strings.HasPrefix(code, "--") {
			continue
		}
		word, _, _ := strings.Cut(strings.TrimRight(line, "\n"), " ")
		if len(parts) > 0 && slices.Contains([]string{"", "end", "else", "elseif", "}", "})"}, word) {
			parts[len(parts)-1] += code + "\n"
		} else {
			parts = append(parts, code+"\n")
		}
	}
	return parts
}

package jobs

import (
	"embed"
	"strings"

	"github.com/redis/go-redis/v9"
)

//go:embed lua
var luaFiles embed.FS

// The scripts are the only writers of job records. Each documents its keys, arguments and answer in its first lines, and has before it
// what it needs of the shared files.
var (
	submitScript  = script("shares", "prelude", "submit")
	pickScript    = script("shares", "prelude", "audit", "pick")
	finishScript  = script("shares", "prelude", "finish")
	releaseScript = script("shares", "prelude", "takeback", "release")
	sweepScript   = script("shares", "prelude", "takeback", "audit", "sweep")
	cancelScript  = script("shares", "prelude", "cancel")
	watchScript   = script("watch")
	admitScript   = script("shares", "admit")
)

// script joins files of lua, without comments and indentation: an embedded Redis reads it anew for each call.
func script(names ...string) *redis.Script {
	var b strings.Builder
	for _, name := range names {
		text, err := luaFiles.ReadFile("lua/" + name + ".lua")
		if err != nil {
			panic(err) // it is in the program
		}
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "--") {
				b.WriteString(line + "\n")
			}
		}
	}
	return redis.NewScript(b.String())
}

// Package asynqscript knows asynq's Lua scripts by their hash, which is all that a Redis client sees of a script that Redis has
// loaded. The table is generated from asynq's source: run `go generate ./internal/jobs/asynqscript` after changing its version.
package asynqscript

import (
	"crypto/sha1"
	"encoding/hex"
)

//go:generate go run generate.go -o table.go

// Name is what asynq's source calls the script with this hash, without the ending Cmd; empty where asynq has none.
func Name(sha string) string { return names[sha] }

// Hash is a script's, as EVALSHA has it.
func Hash(source string) string {
	sum := sha1.Sum([]byte(source))
	return hex.EncodeToString(sum[:])
}

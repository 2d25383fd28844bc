package jobs

import (
	"fmt"
	"log/slog"
	"strings"
)

// asynqLog hands asynq's log lines to slog. What asynq calls information is, to an operator, detail.
type asynqLog struct{ log *slog.Logger }

func (l asynqLog) Debug(args ...any) { l.log.Debug(line(args)) }
func (l asynqLog) Info(args ...any)  { l.log.Debug(line(args)) }
func (l asynqLog) Warn(args ...any)  { l.log.Warn(line(args)) }
func (l asynqLog) Error(args ...any) { l.log.Error(line(args)) }

// Fatal is never called by asynq's server, and a library must not end the process.
func (l asynqLog) Fatal(args ...any) { l.log.Error(line(args)) }

func line(args []any) string { return "asynq: " + strings.TrimSpace(fmt.Sprint(args...)) }

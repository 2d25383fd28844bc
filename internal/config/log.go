package config

import (
	"io"
	"log/slog"
)

// Logger writes to w what LOG_LEVEL and LOG_FORMAT ask for.
func (s *Service) Logger(w io.Writer) *slog.Logger {
	var level slog.Level
	// Validate has refused every name that slog does not know.
	_ = level.UnmarshalText([]byte(s.LogLevel))
	o := &slog.HandlerOptions{Level: level}
	if s.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

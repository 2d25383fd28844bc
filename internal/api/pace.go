package api

import (
	"time"

	"github.com/labstack/echo/v4"
)

// pace is how long clients may take: for a body, for an answer, and for each piece of a large one of either.
type pace struct{ body, send, piece time.Duration }

const (
	// bodyPatience is how long a client may take to send its body: 10 MiB over a slow line, but not for ever.
	bodyPatience = time.Minute
	// sendPatience is how long a client may take to read its answer.
	sendPatience = time.Minute
	// So much of a large body, or of an answer, comes or goes within so long, again and again, or the client is sent away: whoever
	// stalls holds memory that others wait for.
	pieceBytes    = 256 << 10
	piecePatience = 10 * time.Second
)

var usualPace = pace{body: bodyPatience, send: sendPatience, piece: piecePatience}

const contextPace = "pace"

func paceOf(c echo.Context) pace {
	if p, ok := c.Get(contextPace).(pace); ok {
		return p
	}
	return usualPace
}

// deadline is when the next piece must have passed, if everything must by over.
func (p pace) deadline(over time.Time) time.Time {
	if next := time.Now().Add(p.piece); next.Before(over) {
		return next
	}
	return over
}

package api

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

// waitParam is ?wait=N: how many seconds to wait for the job, at most EXECUTE_WAIT of them.
func waitParam(c echo.Context) (time.Duration, error) {
	raw, given := param(c, "wait")
	if !given {
		return 0, nil
	}
	wait, ok := seconds(raw)
	if !ok {
		return 0, badRequest("wait must be a number of seconds such as 10, not %q", cut(raw, 32))
	}
	return wait, nil
}

// preferWait is the wait of RFC 7240's Prefer header. What it asks for and cannot be understood is to be ignored, says the RFC.
func preferWait(h http.Header) (time.Duration, bool) {
	for _, line := range h.Values("Prefer") {
		for preference := range strings.SplitSeq(line, ",") {
			// Parameters of the preference come after a semicolon; wait has none.
			token, _, _ := strings.Cut(preference, ";")
			name, value, _ := strings.Cut(token, "=")
			if !strings.EqualFold(strings.TrimSpace(name), "wait") {
				continue
			}
			return seconds(strings.Trim(strings.TrimSpace(value), `"`))
		}
	}
	return 0, false
}

// seconds reads a number of seconds. More than a day is as good as a day: nobody waits that long, and it cannot overflow.
func seconds(raw string) (time.Duration, bool) {
	n, err := strconv.ParseFloat(raw, 64)
	if err != nil || math.IsNaN(n) || n < 0 {
		return 0, false
	}
	return time.Duration(min(n, 24*60*60) * float64(time.Second)), true
}

func boolParam(c echo.Context, name string) (bool, error) {
	raw, given := param(c, name)
	if !given {
		return false, nil
	}
	b, err := strconv.ParseBool(raw)
	if err != nil {
		return false, badRequest("%s must be 1 or 0, not %q", name, cut(raw, 32))
	}
	return b, nil
}

func param(c echo.Context, name string) (value string, given bool) {
	values, given := c.QueryParams()[name]
	if !given || len(values) == 0 {
		return "", false
	}
	return values[0], true
}

// idempotencyKey is the header that makes sending a request twice the same as sending it once.
func idempotencyKey(r *http.Request) (string, error) {
	values := r.Header.Values("Idempotency-Key")
	if len(values) == 0 {
		return "", nil
	}
	key := values[0]
	if len(values) > 1 || key == "" || len(key) > 255 || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }) {
		return "", badRequest("Idempotency-Key must be 1 to 255 printable ASCII characters; send a UUID, for instance")
	}
	return key, nil
}

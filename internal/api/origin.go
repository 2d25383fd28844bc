package api

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"safepy/internal/config"
)

// A browser sends what any page tells it to, from inside whatever network it is in. It marks such requests, and only a browser
// does: what curl and other programs send has none of these headers.
const (
	headerFetchSite = "Sec-Fetch-Site"
	headerFetchMode = "Sec-Fetch-Mode"
	headerFetchDest = "Sec-Fetch-Dest"
)

// What pages of the origins in ALLOWED_ORIGINS may send, and may see of the answers beyond what every page may (CORS).
const (
	corsMethods = "GET, HEAD, POST, DELETE"
	corsHeaders = "Accept, Authorization, Content-Type, Idempotency-Key, Last-Event-ID, Prefer, Range, X-Request-Id, X-Auth-Token, X-Api-Key, " +
		"Mcp-Session-Id, Mcp-Protocol-Version, Mcp-Method, Mcp-Name, Traceparent, Tracestate"
	corsExposed = "Location, Retry-After, Server-Timing, X-Job-Id, X-Request-Id, X-Truncated, Preference-Applied, Allow, WWW-Authenticate, " +
		"Content-Range, Accept-Ranges, Mcp-Session-Id"
	// corsMaxAge is how long a browser need not ask again; none keeps an answer for longer than one or two hours.
	corsMaxAge = 2 * time.Hour
)

// checkOrigin refuses what a browser marks as another site's doing, unless ALLOWED_ORIGINS has the site; then it gives the answers
// that let the browser go on. No cookie and no other credential of the browser's own is ever asked for.
func (s *Server) checkOrigin(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r, h := c.Request(), c.Response().Header()
		if len(s.o.AllowedOrigins) > 0 {
			h.Add(echo.HeaderVary, echo.HeaderOrigin)
		}
		origin := r.Header.Get(echo.HeaderOrigin)
		if !foreign(r) || visit(r) {
			return next(c)
		}
		if !allowedOrigin(origin, s.o.AllowedOrigins) {
			return beforeBody(r, refusedOrigin(r, origin))
		}
		if origin != "" {
			// The origin itself and never *, so that one answer is right for one page.
			h.Set(echo.HeaderAccessControlAllowOrigin, origin)
			h.Set(echo.HeaderAccessControlExposeHeaders, corsExposed)
		}
		if r.Method == http.MethodOptions && r.Header.Get(echo.HeaderAccessControlRequestMethod) != "" {
			h.Set(echo.HeaderAccessControlAllowMethods, corsMethods)
			h.Set(echo.HeaderAccessControlAllowHeaders, corsHeaders)
			h.Set(echo.HeaderAccessControlMaxAge, strconv.Itoa(int(corsMaxAge.Seconds())))
			return c.NoContent(http.StatusNoContent)
		}
		return next(c)
	}
}

// foreign reports whether a browser sent this for a page that is not the service's own. Browsers say so themselves, to addresses
// they trust (https, localhost); to others, and if they are old, Origin tells for all that does anything.
func foreign(r *http.Request) bool {
	if site := r.Header.Values(headerFetchSite); len(site) > 0 {
		return len(site) > 1 || site[0] != "same-origin" && site[0] != "none"
	}
	origins := r.Header.Values(echo.HeaderOrigin)
	if len(origins) == 0 {
		return false
	}
	return len(origins) > 1 || !sameHost(origins[0], r.Host)
}

// sameHost compares an origin with the request's Host. The scheme is left out: TLS may end at a proxy in front.
func sameHost(origin, host string) bool {
	scheme, rest, found := strings.Cut(origin, "://")
	if !found || rest == "" {
		return false // "null": a page without an origin of its own, which any page can make
	}
	own := map[string]string{"http": "80", "https": "443"}[strings.ToLower(scheme)]
	a, aPort := splitHost(rest)
	b, bPort := splitHost(host)
	if aPort == "" {
		aPort = own
	}
	if bPort == "" {
		bPort = own
	}
	return strings.EqualFold(a, b) && aPort == bPort
}

// pages are what a link on another site may lead to: they do nothing, and show nobody's jobs.
var pages = []string{"/", "/docs", "/health", "/openapi.json"}

// visit reports whether somebody goes to one of the pages, in a tab of its own and not in a frame of another site's.
func visit(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && r.Header.Get(headerFetchMode) == "navigate" &&
		r.Header.Get(headerFetchDest) == "document" && (slices.Contains(pages, r.URL.Path) || strings.HasPrefix(r.URL.Path, "/docs/"))
}

func allowedOrigin(origin string, allowed config.Origins) bool {
	origin = strings.ToLower(origin)
	return slices.ContainsFunc(allowed, func(a string) bool { return a == config.Any || a == origin })
}

func refusedOrigin(r *http.Request, origin string) *httpError {
	from := "a page of another site"
	if origin != "" {
		from += " (" + shown(origin, 64) + ")"
	}
	next := "open the service's own page, or have the operator add the site's origin to ALLOWED_ORIGINS"
	if site := r.Header.Get(headerFetchSite); site == "" {
		// A proxy in front may have put its own name into Host.
		next += "; a proxy in front must pass on the Host that the browser sent"
	}
	return failure(http.StatusForbidden, codeForbiddenOrigin, "A browser sent this request for %s, which may not use this service; %s", from, next)
}

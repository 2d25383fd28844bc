package api

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/labstack/echo/v4"

	"safepy/internal/config"
)

// checkHost refuses requests that call the service by a name that nobody has given it. A page that somebody visits can have its own
// name lead to this machine (DNS rebinding), and its browser then takes the service for that page's own: the name in Host is all that
// tells. An address is no name that could be led anywhere, and localhost never leaves the machine. Where callers have keys a page
// has none, so that the check is off unless names are given.
func (s *Server) checkHost(next echo.HandlerFunc) echo.HandlerFunc {
	names := s.o.AllowedHosts
	if len(names) == 0 && len(s.o.Keys) > 0 {
		return next
	}
	return func(c echo.Context) error {
		r := c.Request()
		// Health shows nothing, and whatever restarts processes asks by the name it knows.
		if knownHost(r.Host, names) || r.URL.Path == "/health" {
			return next(c)
		}
		name, _ := splitHost(r.Host)
		return beforeBody(r, failure(http.StatusForbidden, codeForbiddenHost,
			"This service does not answer to the name %s; call it by its address or as localhost, or have the operator add the name to ALLOWED_HOSTS", shown(name, 64)))
	}
}

// knownHost reports whether a Host header is an address, localhost, or one of the names.
func knownHost(header string, names config.Hosts) bool {
	name, _ := splitHost(header)
	// A dot at the end is the same name, written out.
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	// Without any name it is no browser: HTTP/1.0, as some load balancers' probes speak it, knows no Host.
	if name == "" || name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	for _, allowed := range names {
		if allowed == config.Any || allowed == name {
			return true
		}
		// *.example.com is every name below example.com.
		if below, ok := strings.CutPrefix(allowed, "*"); ok && strings.HasSuffix(name, below) && len(name) > len(below) {
			return true
		}
	}
	return false
}

// splitHost divides a Host header, or what follows an origin's scheme, into name and port; both may be missing. An IPv6 address
// comes without its brackets.
func splitHost(hostport string) (host, port string) {
	if rest, ok := strings.CutPrefix(hostport, "["); ok {
		host, port, _ = strings.Cut(rest, "]")
		return host, strings.TrimPrefix(port, ":")
	}
	host, port, _ = strings.Cut(hostport, ":")
	return host, port
}

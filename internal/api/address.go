package api

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/labstack/echo/v4"
)

// sender is whom a place is counted for: the key's name, or else the address.
func (s *Server) sender(c echo.Context) string {
	if name := client(c); name != "" {
		return name
	}
	return s.address(c.Request())
}

// address is where a request comes from: without keys that is the client. What a proxy says of it counts only where the proxy is trusted,
// since anybody can write the header; then it is the last address that no such proxy has. Of IPv6 addresses it is the half that a
// site has as a whole.
func (s *Server) address(r *http.Request) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	address := peer.Addr().Unmap().WithZone("")
	hops := strings.Split(strings.Join(r.Header.Values(echo.HeaderXForwardedFor), ","), ",")
	for i := len(hops) - 1; i >= 0 && s.o.TrustedProxies.Contains(address); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		address = hop.Unmap().WithZone("")
	}
	if address.Is4() {
		return address.String()
	}
	site, err := address.Prefix(64)
	if err != nil {
		return address.String()
	}
	return site.String()
}

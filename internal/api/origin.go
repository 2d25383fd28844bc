package api

import (
	"net/http"
	"net/netip"
	"strings"
)

// origin is the address that a request comes from: without keys it is the client, for fair shares of the slots and of the queue. What a
// proxy says of it counts only where the proxy is trusted, since anybody can write the header; then it is the last address that
// no such proxy has. An IPv6 address stands for its network of 64 bits, which one client has as a whole.
func (s *Server) origin(r *http.Request) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	address := peer.Addr().Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && s.o.TrustedProxies.Contains(address); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		address = hop.Unmap()
	}
	if address.Is6() {
		return netip.PrefixFrom(address.WithZone(""), 64).Masked().String()
	}
	return address.String()
}

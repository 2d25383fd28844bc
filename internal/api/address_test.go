package api

import (
	"net/http/httptest"
	"testing"

	"safepy/internal/config"
)

// A header that anybody can write makes nobody another client, unless a proxy that is trusted has sent it.
func TestAddress(t *testing.T) {
	var trusted config.Prefixes
	if err := trusted.UnmarshalText([]byte("10.0.0.0/8, 2001:db8::1")); err != nil {
		t.Fatal(err)
	}
	s := &Server{o: Options{TrustedProxies: trusted}}
	for _, c := range []struct{ peer, forwarded, want string }{
		{"192.0.2.1:5", "", "192.0.2.1"},
		{"192.0.2.1:5", "198.51.100.7", "192.0.2.1"},
		{"10.1.2.3:5", "198.51.100.7", "198.51.100.7"},
		{"10.1.2.3:5", "203.0.113.9, 198.51.100.7, 10.9.9.9", "198.51.100.7"},
		{"10.1.2.3:5", "nonsense", "10.1.2.3"},
		{"10.1.2.3:5", "198.51.100.7, nonsense", "10.1.2.3"},
		{"[2001:db8::1]:5", "2001:db8:1:2:3::4", "2001:db8:1:2::/64"},
		{"[2001:db8:1:2:3::4]:5", "", "2001:db8:1:2::/64"},
		{"[::ffff:192.0.2.1]:5", "", "192.0.2.1"},
	} {
		r := httptest.NewRequest("POST", "/execute", nil)
		r.RemoteAddr = c.peer
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		if got := s.address(r); got != c.want {
			t.Errorf("%s, forwarded for %q: %s, want %s", c.peer, c.forwarded, got, c.want)
		}
	}
}

package healthcheck

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	healthy := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/health" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		w.WriteHeader(healthy)
		w.Write([]byte("the reason"))
	}))
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")

	for _, addr := range []string{":" + port, "0.0.0.0:" + port, "[::]:" + port, "127.0.0.1:" + port, "localhost:" + port} {
		if err := Run(t.Context(), addr); err != nil {
			t.Errorf("Run(%q) = %v", addr, err)
		}
	}
	healthy = http.StatusServiceUnavailable
	if err := Run(t.Context(), ":"+port); err == nil || !strings.Contains(err.Error(), "503") || !strings.Contains(err.Error(), "the reason") {
		t.Errorf("unhealthy: %v", err)
	}
	server.Close()
	if err := Run(t.Context(), ":"+port); err == nil {
		t.Error("nothing listens there, and the check passed")
	}
	if err := Run(t.Context(), "nowhere"); err == nil {
		t.Error("no port, and the check passed")
	}
}

// Package healthcheck asks a process of this service, from inside its own container, whether it lives: an image of one static
// binary has no curl to do that with.
package healthcheck

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// patience is below the 3 s that the images give the check, so that the reason is said before the check is killed.
const patience = 2 * time.Second

// Run asks the process that listens on addr, as LISTEN_ADDR and WORKER_ADDR have it, for GET /health. Anything but 200 is an error.
func Run(ctx context.Context, addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("healthcheck: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		// Listening everywhere is not an address to go to.
		host = "localhost"
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/health", nil)
	if err != nil {
		return fmt.Errorf("healthcheck: %w", err)
	}
	// A transport of its own: a proxy that the environment names has no part in this.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("healthcheck: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(response.Body, 1<<10))
		return fmt.Errorf("healthcheck: %s: %s", response.Status, body)
	}
	return nil
}

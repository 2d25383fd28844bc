// Package e2e sends requests to the service as its users do: over HTTP, to the real programs, with JSON structs of its own.
package e2e

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"safepy/test/harness"
)

func TestMain(m *testing.M) {
	if err := harness.Adopt(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// Package e2e sends requests to the service as its users do: over HTTP, to the real programs, with JSON structs of its own.
package e2e

import (
	"testing"

	"safepy/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m, 0) }

// Package hosts runs the service as it stands in a data centre: Redis, the API and each worker on a host of its own. The hosts are
// network namespaces on one bridge, each with its own address, so that a cable can be pulled without anybody being told.
package hosts

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

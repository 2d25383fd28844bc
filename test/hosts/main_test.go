// Package hosts runs the service as it stands in a data centre: Redis, the API and each worker on a host of its own. The hosts are
// network namespaces on one bridge, each with its own address, so that a cable can be pulled without anybody being told.
package hosts

import (
	"testing"

	"safepy/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m, 0) }

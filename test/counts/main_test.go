package counts

import (
	"testing"

	"safepy/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m, 0) }

package harness

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"testing"

	"go.uber.org/goleak"
)

// Main is a suite's TestMain: what its processes leave behind becomes this one's, where Orphans finds it, and no goroutine may be
// left at the end. It does not return. parallel is for suites whose tests wait more than they compute: so many run side by side
// whatever the cores are; 0 leaves it to go test.
func Main(m *testing.M, parallel int) {
	err := adopt()
	if err == nil && parallel > 0 {
		flag.Parse() // else it would set it back
		err = flag.Set("test.parallel", strconv.Itoa(parallel))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

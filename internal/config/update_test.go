package config

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write deploy/example.env anew")

func TestMain(m *testing.M) {
	flag.Parse()
	if *update {
		if err := os.WriteFile("../../deploy/example.env", []byte(ExampleEnv()), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

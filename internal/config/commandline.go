package config

import (
	"errors"
	"flag"
	"fmt"
	"io"
)

// ErrHandled is CommandLine's for --help and --version, which have been answered.
var ErrHandled = errors.New("handled")

// CommandLine is how each of the programs starts: settings are environment variables, which it loads into cfg, and the arguments
// that are no flags say what to do. --help prints usage and the table of cfg's variables.
func CommandLine(cfg Process, name, usage string, args []string, lookup Lookup, stdout, stderr io.Writer) (words []string, err error) {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { fmt.Fprint(stdout, usage, Table(cfg)) }
	version := flags.Bool("version", false, "print the version and exit")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil, ErrHandled
	} else if err != nil {
		return nil, err
	}
	if *version {
		fmt.Fprintln(stdout, name, BuildVersion())
		return nil, ErrHandled
	}
	if err := Load(cfg, lookup); err != nil {
		return nil, err
	}
	return flags.Args(), nil
}

// Unknown is the error for words that a program does not know.
func Unknown(words []string) error {
	return fmt.Errorf("unknown arguments %q; settings are environment variables, see --help", words)
}

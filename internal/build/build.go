// Package build knows which version of the program this is.
package build

import "runtime/debug"

// version is set when linking, by the Makefile: what git describe says of the sources.
var version string

// Version is the version that this binary was built from: the Makefile's, else the module's or the commit that go itself noted,
// else "devel".
func Version() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	if info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return "devel"
}

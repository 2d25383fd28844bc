#!/bin/bash
# Runs every fuzz target of the module for a while each: go test fuzzes one target of one package at a time.
#
#     scripts/fuzz.sh [DURATION]        10s unless given; GO names the go command
set -euo pipefail

go=${GO:-go}
duration=${1:-10s}

"$go" list -f '{{.Dir}} {{.ImportPath}}' ./... | while read -r dir package; do
	targets=$(grep -hoE '^func Fuzz[A-Za-z0-9_]+' "$dir"/*_test.go 2>/dev/null | cut -c6- || true)
	for target in $targets; do
		printf '%s %s\n' "$package" "$target"
		"$go" test -run '^$' -fuzz "^$target\$" -fuzztime "$duration" "$package"
	done
done

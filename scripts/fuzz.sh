#!/bin/bash
# Runs every fuzz target of the module for a while each: go test fuzzes one target of one package at a time. All of them run,
# whatever the ones before have found; an input that breaks one is left in its testdata/fuzz, for the repository to keep.
#
#     scripts/fuzz.sh [DURATION]        10s unless given; GO names the go command
set -euo pipefail

go=${GO:-go}
duration=${1:-10s}
failed=()
count=0

list=$("$go" list -f '{{.Dir}} {{.ImportPath}}' ./...)
while read -r dir package; do
	targets=$(grep -hoE '^func Fuzz[A-Za-z0-9_]+' "$dir"/*_test.go 2>/dev/null | cut -c6- || true)
	for target in $targets; do
		count=$((count + 1))
		printf '%s %s\n' "$package" "$target"
		"$go" test -run "^$target\$" -fuzz "^$target\$" -fuzztime "$duration" "$package" </dev/null || failed+=("$package $target")
	done
done <<<"$list"

if ((count == 0)); then
	echo 'fuzz: no target was found' >&2
	exit 1
fi
if ((${#failed[@]})); then
	printf 'fuzz: %s failed; commit the input that it left under testdata/fuzz with the fix\n' "${failed[@]}" >&2
	exit 1
fi
printf 'fuzz: %d targets, %s each, found nothing\n' "$count" "$duration"

#!/bin/bash
# Says which image nsjail is taken from, with its digest, for --build-arg NSJAIL_IMAGE.
#
#     scripts/pin-nsjail.sh            prints it; a tag without a digest is looked up, which takes docker with buildx and a network
#     scripts/pin-nsjail.sh --write    looks the tag up anew, and writes the digest into .github/nsjail/Dockerfile, where the bot bumps it
set -euo pipefail

cd "$(dirname "$0")/.."
file=.github/nsjail/Dockerfile
image=$(sed -n 's/^FROM //p' "$file")
if [[ ${1:-} != --write && $image == *@sha256:* ]]; then
	printf '%s\n' "$image"
	exit
fi
tag=${image%@*}
digest=$(docker buildx imagetools inspect "$tag" --format '{{.Manifest.Digest}}')
if [[ ! $digest =~ ^sha256:[0-9a-f]{64}$ ]]; then
	printf 'pin-nsjail: no digest of %s: %s\n' "$tag" "$digest" >&2
	exit 1
fi
if [[ ${1:-} == --write ]]; then
	sed -i "s|^FROM .*|FROM $tag@$digest|" "$file"
fi
printf '%s\n' "$tag@$digest"

#!/bin/sh
# Publishes what packaging/release.sh made: the release on GitHub, the npm packages, the image for all machines. Without
# --yes it says what it would do. Needs gh, npm and podman, each logged in.
#
#   packaging/publish.sh dist [--yes]
set -eu
dist=$(realpath "$1")
cd "$(dirname "$0")/.."
# shellcheck source=packaging/about.sh
. packaging/about.sh
if [ "${2:-}" = --yes ]; then
    act() { echo "+ $*"; "$@"; }
else
    act() { echo "+ $*"; }
fi
(cd "$dist" && sha256sum --quiet --check SHA256SUMS)
for needed in lockdoctor-linux-x64-$version.tgz lockdoctor-linux-arm64-$version.tgz lockdoctor-$version.tgz \
    lockdoctor-$version-x86_64-linux-oci.tar lockdoctor-$version-aarch64-linux-oci.tar; do
    [ -s "$dist/$needed" ] || { echo "$dist has no $needed" >&2; exit 1; }
done

act gh release create "v$version" --verify-tag --title "lockdoctor $version" --notes-file CHANGELOG.md "$dist"/*
# The launcher last: it names the others by this version.
for package in linux-x64-$version linux-arm64-$version $version; do
    act npm publish --access public --provenance "$dist/lockdoctor-$package.tgz"
done
act podman manifest create "$image:$version"
for machine in x86_64 aarch64; do
    act podman manifest add "$image:$version" "oci-archive:$dist/lockdoctor-$version-$machine-linux-oci.tar"
done
for tag in "$version" latest; do
    act podman manifest push --all "$image:$version" "${REGISTRY:-docker:/}/$image:$tag"
done

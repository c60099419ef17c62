#!/bin/sh
# Everything that a release consists of, into a directory: for each machine the archive, the packages, the image and the bill
# of materials, and the checksums of all.
#
#   packaging/release.sh dist
#   TARGETS="x86_64-unknown-linux-gnu aarch64-unknown-linux-gnu" packaging/release.sh dist
set -eu
mkdir -p "$1"
output=$(realpath "$1")
cd "$(dirname "$0")/.."
# shellcheck source=packaging/about.sh
. packaging/about.sh
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT

set --
for target in ${TARGETS:-$(rustc -vV | sed -n 's/^host: //p')}; do
    binary=$(TARGET=$target packaging/build-static.sh)
    set -- "$@" "$binary"
    machine=$(machine_of "$binary")
    [ "$machine" != "$(uname -m)" ] || export RUNNABLE="$binary"

    archive=lockdoctor-$version-$machine-linux
    mkdir "$stage/$machine"
    packaging/stage.sh "$binary" "$stage/$machine/lockdoctor-$version"
    cp LICENSE README.md CHANGELOG.md "$stage/$machine/lockdoctor-$version/"
    tar -C "$stage/$machine" --sort=name --owner=0 --group=0 --numeric-owner --mode=go=rX,u+w \
        --mtime="@$SOURCE_DATE_EPOCH" -c . | gzip -9n >"$output/$archive.tar.gz"

    packaging/deb/build.sh "$binary" "$output"
    if command -v rpmbuild >/dev/null; then
        packaging/rpm/build.sh "$binary" "$output"
    else
        echo "rpmbuild is not installed: no RPM package" >&2
    fi
    if command -v umoci >/dev/null; then
        ENGINE=umoci packaging/container/build.sh "$binary" "$output/$archive-oci.tar"
    else
        echo "umoci is not installed: no image" >&2
    fi
    if command -v cargo-cyclonedx >/dev/null; then
        packaging/sbom.sh "$target" >"$output/$archive.cdx.json"
    else
        echo "cargo-cyclonedx is not installed: no bill of materials" >&2
    fi
done
if command -v npm >/dev/null; then
    packaging/npm/build.sh "$output" "$@"
else
    echo "npm is not installed: no npm packages" >&2
fi
packaging/checksums.sh "$output"

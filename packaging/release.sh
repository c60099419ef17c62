#!/bin/sh
# Everything that a release consists of, into a directory: archive, packages, image, bill of materials, checksums.
#
#   packaging/release.sh dist
set -eu
mkdir -p "$1"
output=$(realpath "$1")
cd "$(dirname "$0")/.."
# shellcheck source=packaging/about.sh
. packaging/about.sh
binary=$(packaging/build-static.sh)

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
packaging/stage.sh "$binary" "$stage/lockdoctor-$version"
cp LICENSE README.md CHANGELOG.md "$stage/lockdoctor-$version/"
tar -C "$stage" --sort=name --owner=0 --group=0 --numeric-owner --mode=go=rX,u+w --mtime="@$SOURCE_DATE_EPOCH" -c . |
    gzip -9n >"$output/lockdoctor-$version-x86_64-linux.tar.gz"

packaging/deb/build.sh "$binary" "$output"
if command -v rpmbuild >/dev/null; then
    packaging/rpm/build.sh "$binary" "$output"
else
    echo "rpmbuild is not installed: no RPM package" >&2
fi
if command -v umoci >/dev/null; then
    ENGINE=umoci packaging/container/build.sh "$binary" "$output/lockdoctor-$version-oci.tar"
else
    echo "umoci is not installed: no image" >&2
fi
packaging/sbom.py >"$output/lockdoctor-$version.cdx.json"
(cd "$output" && sha256sum -- lockdoctor[-_]* >SHA256SUMS)
echo "$output/SHA256SUMS"

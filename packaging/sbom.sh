#!/bin/sh
# Prints the bill of materials of the binary for one machine, in CycloneDX 1.5: the crates that are linked in, with their
# licences and checksums. By cargo-cyclonedx, which packaging/release-tools.sh installs.
#
#   packaging/sbom.sh x86_64-unknown-linux-gnu
set -eu
target=$1
cd "$(dirname "$0")/.."
# It writes beside Cargo.toml.
name=sbom-$$
trap 'rm -f "$name.json"' EXIT
cargo cyclonedx -q --format json --spec-version 1.5 --no-build-deps --target "$target" --override-filename "$name"
# Where it was made is of no use to anybody else.
sed "s|path+file://$PWD|path+file://.|g" "$name.json"

#!/bin/sh
# The checksums of what a directory has of a release.
#
#   packaging/checksums.sh dist
set -eu
cd "$1"
sha256sum -- lockdoctor[-_]* >SHA256SUMS
echo "$PWD/SHA256SUMS"

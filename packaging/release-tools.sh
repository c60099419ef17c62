#!/bin/sh
# What packaging/release.sh needs on a Debian that has Rust and Node, as root.
set -eu
missing=
for pair in rpmbuild:rpm umoci:umoci dpkg-deb:dpkg gzip:gzip; do
    command -v "${pair%:*}" >/dev/null || missing="$missing ${pair#*:}"
done
[ -z "$missing" ] || {
    apt-get update -qq
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 $missing
}
command -v cargo-cyclonedx >/dev/null || cargo install --locked cargo-cyclonedx@0.5.9

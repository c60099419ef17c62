#!/bin/sh
# Builds the RPM package from a binary; needs rpmbuild. Same input, same bytes.
#
#   packaging/rpm/build.sh "$(packaging/build-static.sh)" OUTPUT-DIRECTORY
set -eu
binary=$(realpath "$1")
mkdir -p "$2"
output=$(realpath "$2")
cd "$(dirname "$0")/../.."

# shellcheck source=packaging/about.sh
. packaging/about.sh
architecture=$(machine_of "$binary")

top=$(mktemp -d)
trap 'rm -rf "$top"' EXIT
umask 022
packaging/stage.sh "$binary" "$top/stage"
# Where Fedora and SUSE look.
mv "$top/stage/usr/share/zsh/vendor-completions" "$top/stage/usr/share/zsh/site-functions"
install -m 644 LICENSE "$top/LICENSE"

rpmbuild -bb --quiet --target "$architecture-linux" --define "_topdir $top" --define "_rpmdir $top/rpms" \
    --define "version $version" --define "stage $top/stage" --define "licence $top/LICENSE" \
    packaging/rpm/lockdoctor.spec >&2
package=$output/lockdoctor-$version-1.$architecture.rpm
mv "$top/rpms/$architecture/${package##*/}" "$package"
echo "$package"

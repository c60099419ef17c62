#!/bin/sh
# Builds the RPM package from a binary; needs rpmbuild. Same input, same bytes.
#
#   packaging/rpm/build.sh "$(packaging/build-static.sh)" OUTPUT-DIRECTORY
set -eu
binary=$(realpath "$1")
mkdir -p "$2"
output=$(realpath "$2")
cd "$(dirname "$0")/../.."

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
case $(od -An -j18 -N1 -tu1 "$binary" | tr -d ' ') in
    62) architecture=x86_64 ;;
    183) architecture=aarch64 ;;
    *) echo "$binary: not a binary of x86_64 or aarch64" >&2; exit 1 ;;
esac
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH

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

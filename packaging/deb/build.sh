#!/bin/sh
# Builds the Debian package from a binary; needs dpkg-deb and nothing else. Same input, same bytes.
#
#   packaging/deb/build.sh "$(packaging/build-static.sh)" OUTPUT-DIRECTORY
set -eu
binary=$(realpath "$1")
mkdir -p "$2"
output=$(realpath "$2")
cd "$(dirname "$0")/../.."

# shellcheck source=packaging/about.sh
. packaging/about.sh
machine=$(machine_of "$binary")
case $machine in
    x86_64) architecture=amd64 ;;
    aarch64) architecture=arm64 ;;
esac

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
chmod 755 "$stage"
packaging/stage.sh "$binary" "$stage"

doc="$stage/usr/share/doc/lockdoctor"
install -m 644 packaging/deb/copyright "$doc/copyright"
install -m 644 CHANGELOG.md "$doc/NEWS"
{
    echo "lockdoctor ($version) unstable; urgency=medium"
    echo
    echo "  * See NEWS for what changed."
    echo
    echo " -- lockdoctor maintainers <maintainers@lockdoctor.invalid>  $(date -u -R -d "@$SOURCE_DATE_EPOCH")"
} >"$doc/changelog"
gzip -9n "$doc/changelog" "$doc/NEWS"
install -D -m 644 packaging/deb/lintian-overrides "$stage/usr/share/lintian/overrides/lockdoctor"

install -d "$stage/DEBIAN"
for script in postinst prerm postrm; do
    install -m 755 "packaging/deb/$script" "$stage/DEBIAN/$script"
done
cat >"$stage/DEBIAN/control" <<CONTROL
Package: lockdoctor
Version: $version
Architecture: $architecture
Maintainer: lockdoctor maintainers <maintainers@lockdoctor.invalid>
Installed-Size: $(du -k -s --exclude=DEBIAN "$stage" | cut -f1)
Section: admin
Priority: optional
Description: find, explain and safely free stale OpenClaw session locks
 OpenClaw guards each conversation with a lock file. When a lock outlives its
 use, every message to that conversation fails. lockdoctor asks the kernel
 whether anybody holds a lock, frees those that are proven to have no holder
 without ever taking a live one, and says what else holds a session up.
 .
 This package has units for a daemon and for a timer that replaces the cron
 job which deletes old locks; neither is enabled until asked for.
CONTROL
(cd "$stage" && find usr -type f -exec md5sum {} + | LC_ALL=C sort -k 2 >DEBIAN/md5sums)

# Whatever the umask and the clock here are.
find "$stage" -type d -exec chmod 755 {} +
find "$stage/usr/share" "$stage/DEBIAN/control" "$stage/DEBIAN/md5sums" -type f -exec chmod 644 {} +
find "$stage" -newermt "@$SOURCE_DATE_EPOCH" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +

package="$output/lockdoctor_${version}_$architecture.deb"
dpkg-deb --root-owner-group -Zxz --build "$stage" "$package" >&2
echo "$package"

#!/bin/sh
# The Debian package: built twice alike, lintian clean, installed, upgraded, removed and purged on a fresh Debian.
. "$(dirname "$0")/lib.sh"
needs dpkg-deb
find_binary

package=$("$project/packaging/deb/build.sh" "$binary" "$work/1" 2>/dev/null)
again=$(umask 077; "$project/packaging/deb/build.sh" "$binary" "$work/2" 2>/dev/null)
cmp "$package" "$again" || fail "the same binary gives another package the second time"
passed "built twice, the same bytes ($(stat -c %s "$package"))"

for path in ./usr/bin/lockdoctor ./usr/share/man/man1/lockdoctor.1.gz ./usr/lib/systemd/system/lockdoctor@.service \
    ./usr/lib/systemd/user/lockdoctor-reclaim.timer ./usr/share/bash-completion/completions/lockdoctor \
    ./usr/share/zsh/vendor-completions/_lockdoctor ./usr/share/fish/vendor_completions.d/lockdoctor.fish; do
    dpkg-deb -c "$package" | awk '{ print $6 }' | grep -qxF "$path" || fail "$path is not in the package"
done
passed "binary, units, manual and completions are in it"

if command -v lintian >/dev/null; then
    complaints=$(lintian --pedantic --tag-display-limit 0 "$package" 2>&1 | grep -v -e 'running with root privileges' || true)
    [ -z "$complaints" ] || fail "lintian: $complaints"
    passed "lintian has nothing to say"
else
    echo "SKIPPED: deb: lintian is not installed" >&2
fi

needs_root
root=$work/root
fresh_debian "$root"
in_root() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@"; }
cp "$package" "$root/lockdoctor.deb"
in_root dpkg -i /lockdoctor.deb >"$work/install.log" 2>&1 || { cat "$work/install.log"; fail "dpkg -i"; }
in_root lockdoctor --version | grep -q "^lockdoctor " || fail "the installed program does not run"
in_root dpkg --verify lockdoctor | grep . && fail "files differ from those of the package"
passed "installed on a fresh Debian: $(in_root lockdoctor --version)"

# An upgrade: the same contents under a later version.
mkdir "$work/later"
dpkg-deb -R "$package" "$work/later"
sed -i 's/^Version: .*/&+1/' "$work/later/DEBIAN/control"
dpkg-deb --root-owner-group -b "$work/later" "$root/later.deb" >/dev/null
in_root ln -s /usr/lib/systemd/system/lockdoctor@.service /etc/systemd/system/multi-user.target.wants/lockdoctor@node.service
in_root dpkg -i /later.deb >"$work/upgrade.log" 2>&1 || { cat "$work/upgrade.log"; fail "the upgrade"; }
in_root dpkg -s lockdoctor | grep -q '^Version: .*+1$' || fail "not upgraded"
[ -L "$root/etc/systemd/system/multi-user.target.wants/lockdoctor@node.service" ] || fail "the upgrade disabled an instance"
passed "upgraded; what was enabled stays enabled"

in_root dpkg -r lockdoctor >/dev/null 2>&1 || fail "dpkg -r"
in_root dpkg -P lockdoctor >/dev/null 2>&1 || fail "dpkg -P"
left=$(in_root find / -xdev -path /proc -prune -o \( -name '*lockdoctor*' ! -name '*.deb' \) -print)
[ -z "$left" ] || fail "left after the purge: $left"
passed "purged, and nothing is left"

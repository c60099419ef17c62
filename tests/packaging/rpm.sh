#!/bin/sh
# The RPM package and the release: built twice alike, listed, installed below a directory of its own; checksums hold.
. "$(dirname "$0")/lib.sh"
needs rpmbuild rpm python3
find_binary
export SOURCE_DATE_EPOCH=1700000000
checkout
play() { (cd "$work/checkout" && sh -ex "$1"); }

follow install-packages build-rpm
package=$(echo "$work"/checkout/dist/*.rpm)
again=$("$project/packaging/rpm/build.sh" "$binary" "$work/again" 2>/dev/null)
cmp "$package" "$again" || fail "the same binary gives another package the second time"
rpm -qlp "$package" >"$work/list"
for path in /usr/bin/lockdoctor /usr/share/man/man1/lockdoctor.1.gz /usr/lib/systemd/system/lockdoctor@.service \
    /usr/lib/systemd/user/lockdoctor-reclaim.timer /usr/share/zsh/site-functions/_lockdoctor; do
    grep -qxF "$path" "$work/list" || fail "$path is not in the package"
done
[ "$(rpm -qp --requires "$package" | grep -vc -e '^rpmlib(' -e '^/bin/sh')" = 0 ] || fail "the package requires something"
passed "built twice, the same bytes ($(stat -c %s "$package"))"

if [ "$(id -u)" = 0 ]; then
    rpm --root "$work/root" --dbpath /var/lib/rpm --initdb
    rpm --root "$work/root" --dbpath /var/lib/rpm --install --nodeps --noscripts "$package" 2>"$work/log" || { cat "$work/log"; fail "rpm --install"; }
    chroot "$work/root" /usr/bin/lockdoctor --version | grep -q '^lockdoctor ' || fail "the installed program does not run"
    rpm --root "$work/root" --dbpath /var/lib/rpm --erase --noscripts lockdoctor
    [ ! -e "$work/root/usr/bin/lockdoctor" ] || fail "left after the removal"
    passed "installed and removed"
else
    echo "SKIPPED: rpm: the installation needs root" >&2
fi

# The bill of materials asks cargo for the tree.
(cd "$project" && cp -r src benches "$work/checkout")
follow install-packages release
for file in tar.gz deb rpm; do
    said "lockdoctor.*\.$file: OK"
done
if command -v cargo-cyclonedx >/dev/null; then
    said "lockdoctor.*\.cdx.json: OK"
    for crate in clap rustix rustls; do
        grep -q "\"pkg:cargo/$crate@" "$work"/checkout/dist/*.cdx.json || fail "$crate is not in the bill of materials"
    done
else
    echo "SKIPPED: rpm: the bill of materials needs cargo-cyclonedx" >&2
fi
passed "the release: $(wc -l <"$work/checkout/dist/SHA256SUMS") files, and their checksums hold"

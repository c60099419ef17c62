#!/bin/sh
# A rustc with the standard library of x86_64 and of aarch64, for machines whose own has one of them alone: Debian's, which
# it has for Firefox and Chromium. It is unpacked below the cache directory, once. Prints where its rustc is. Needs apt.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=packaging/debian.sh
. packaging/debian.sh
cache=${XDG_CACHE_HOME:-$HOME/.cache}/lockdoctor-cross
toolchain=$cache/rustc-web
if [ ! -x "$toolchain/rustc" ]; then
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    {
        debian_suite bookworm "$work/apt"
        runtime=$(depends libstd-rust-web-dev:amd64 'libstd-rust-web-[0-9.]*')
        llvm=$(depends "$runtime:amd64" 'libllvm[0-9]*')
        unpack "$work/toolchain" rustc-web:amd64 libstd-rust-web-dev:amd64 libstd-rust-web-dev:arm64 "$runtime:amd64" \
            "$llvm:amd64" libedit2:amd64 libbsd0:amd64 libz3-4:amd64 libxml2:amd64 libicu72:amd64
        cat >"$work/toolchain/rustc" <<'END'
#!/bin/sh
here=${0%/*}
LD_LIBRARY_PATH=$here/usr/lib/x86_64-linux-gnu exec "$here/usr/bin/rustc" "$@"
END
        chmod +x "$work/toolchain/rustc"
        "$work/toolchain/rustc" --version
        mkdir -p "$cache"
        rm -rf "$toolchain"
        mv "$work/toolchain" "$toolchain"
    } >&2
fi
echo "$toolchain/rustc"

#!/bin/sh
# A rustc with the standard library of x86_64 and of aarch64, for machines whose own has one of them alone: Debian's, from
# the packages for Firefox and Chromium. Nothing is installed: they are unpacked below the cache directory, once, by
# whoever asks. Prints where its rustc is. Needs apt, and a C compiler for the target.
set -eu
cache=${XDG_CACHE_HOME:-$HOME/.cache}/lockdoctor-cross
suite=bookworm
# What this is made of: changed, it is made anew.
toolchain=$cache/$suite-1
if [ ! -x "$toolchain/rustc" ]; then
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    mkdir -p "$work/lists/partial" "$work/archives/partial" "$work/debs"
    : >"$work/status"
    keys=/usr/share/keyrings/debian-archive-keyring.gpg
    cat >"$work/sources.list" <<END
deb [signed-by=$keys] http://deb.debian.org/debian $suite main
deb [signed-by=$keys] http://deb.debian.org/debian-security $suite-security main
END
    cat >"$work/apt.conf" <<END
APT::Architecture "amd64";
APT::Architectures { "amd64"; "arm64"; };
APT::Sandbox::User "";
Dir::State::Lists "$work/lists";
Dir::State::Status "$work/status";
Dir::Cache "$work";
Dir::Etc::SourceList "$work/sources.list";
Dir::Etc::SourceParts "/dev/null";
END
    export APT_CONFIG="$work/apt.conf"
    apt-get update -qq >&2
    std=$(apt-cache depends rustc-web:amd64 | sed -n 's/.*Depends: *\(libstd-rust-web-dev\).*/\1/p' | head -n 1)
    runtime=$(apt-cache depends "$std:amd64" | sed -n 's/.*Depends: *\(libstd-rust-web-[0-9.]*\).*/\1/p' | head -n 1)
    llvm=$(apt-cache depends "$runtime:amd64" | sed -n 's/.*Depends: *\(libllvm[0-9]*\).*/\1/p' | head -n 1)
    (cd "$work/debs" && apt-get download -qq rustc-web:amd64 "$std:amd64" "$std:arm64" "$runtime:amd64" "$llvm:amd64" \
        libedit2:amd64 libbsd0:amd64 libz3-4:amd64 libxml2:amd64 libicu72:amd64) >&2
    mkdir "$work/toolchain"
    for package in "$work"/debs/*.deb; do
        dpkg-deb -x "$package" "$work/toolchain"
    done
    cat >"$work/toolchain/rustc" <<'END'
#!/bin/sh
here=${0%/*}
LD_LIBRARY_PATH=$here/usr/lib/x86_64-linux-gnu exec "$here/usr/bin/rustc" "$@"
END
    chmod +x "$work/toolchain/rustc"
    "$work/toolchain/rustc" --version >&2
    mkdir -p "$cache"
    rm -rf "$toolchain"
    mv "$work/toolchain" "$toolchain"
fi
echo "$toolchain/rustc"

#!/bin/sh
# Builds the one binary that every package, image and archive carries: static, reproducible, for any Linux of its
# architecture. Prints its path.
#
#   packaging/build-static.sh                 # for this machine
#   TARGET=aarch64-unknown-linux-gnu packaging/build-static.sh
#   PROFILE=quick packaging/build-static.sh   # faster to build, larger; for trying things out
set -eu
cd "$(dirname "$0")/.."

host=$(rustc -vV | sed -n 's/^host: //p')
target=${TARGET:-$host}
profile=${PROFILE:-release}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH

# Paths of this machine must not end up in panic messages.
cargo_home=${CARGO_HOME:-$HOME/.cargo}
rust_src=$(rustc --print sysroot)/lib/rustlib/src/rust
remap="--remap-path-prefix=$PWD=. --remap-path-prefix=$cargo_home=cargo --remap-path-prefix=$rust_src=rust"

# The linker that rustup brings folds functions alike; GNU's does not know how.
lld=$(rustc --print sysroot)/lib/rustlib/$host/bin/gcc-ld
fold=
[ ! -d "$lld" ] || fold="-C link-arg=-B$lld -C link-arg=-fuse-ld=lld -C link-arg=-Wl,--icf=all"

if [ "$target" != "$host" ]; then
    [ -d "$(rustc --print sysroot)/lib/rustlib/$target" ] || {
        RUSTC=$(packaging/cross-toolchain.sh)
        export RUSTC
    }
    # As Debian calls its cross compilers.
    triple=${target%%-*}-linux-gnu
    variable=$(echo "$target" | tr a-z- A-Z_)
    export "CARGO_TARGET_${variable}_LINKER=$triple-gcc" "CC_$(echo "$target" | tr - _)=$triple-gcc"
fi

# For size: what finds a panic's frames is of no use without symbols.
small="-C force-unwind-tables=no -C link-arg=-Wl,-z,pack-relative-relocs"

# --target even for the host's own: without it crt-static would apply to build scripts and macros too.
RUSTFLAGS="-C target-feature=+crt-static $small $fold $remap" \
    cargo build --locked --profile "$profile" --target "$target" >&2

echo "${CARGO_TARGET_DIR:-$PWD/target}/$target/$profile/lockdoctor"

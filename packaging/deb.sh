#!/usr/bin/env bash
# Builds the Debian package and the one of its debug symbols into target/debian: from one commit the
# same bytes, in whatever directory and from whoever's home. Options go to cargo-deb.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${TARGET:-$(rustc -vV | sed -n 's/^host: //p')}
sources=$(rustc --print sysroot)/lib/rustlib/src/rust
commit=$(rustc -vV | sed -n 's/^commit-hash: //p')
export SOURCE_DATE_EPOCH
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
# Of its own: the flags below are not those of `cargo build`, and cargo would build all anew whenever
# they change.
export CARGO_TARGET_DIR=$PWD/target/package

if [ ! -d "$(rustc --print target-libdir --target "$target")" ]; then
    echo "rustc has no standard library for $target: rustup target add $target (or see packaging/README.md)" >&2
    exit 1
fi

# The directory of the registry's sources has a name that differs from host to host.
cargo fetch --locked --quiet --target "$target"
prefixes=("$PWD=/certwatch" "$sources=/rustc/$commit")
for registry in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*; do prefixes+=("$registry=/cargo"); done

# Rust keeps paths for panics and symbols, gcc for the symbols of ring.
printf -v CARGO_ENCODED_RUSTFLAGS -- '--remap-path-prefix=%s\x1f' "${prefixes[@]}"
printf -v CFLAGS -- '-ffile-prefix-map=%s ' "${prefixes[@]}"
export CARGO_ENCODED_RUSTFLAGS=${CARGO_ENCODED_RUSTFLAGS%$'\x1f'} CFLAGS

gzip --best --no-name --keep --force target/manual/third-party-notices
rm -rf target/debian
"${CARGO_DEB:-target/tools/bin/cargo-deb}" --locked --target "$target" --output target/debian/ "$@"

#!/usr/bin/env bash
# Builds fuzz targets with coverage feedback on a stable toolchain, and prints the directory that they are in.
#
# Usage: fuzz/build.sh PROFILE [cargo option…]
#
# cargo-fuzz wants a nightly compiler for its sanitizers; without them, the coverage pass alone
# works on stable, and panics are found all the same.
set -euo pipefail
cd "$(dirname "$0")"
profile=$1
shift

export RUSTFLAGS='-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
 -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Cdebug-assertions --cfg fuzzing'
RUSTFLAGS=${RUSTFLAGS//$'\n'/}
# Named, so that the flags are not for build scripts.
host=$(rustc -vV | sed -n 's/^host: //p')
cargo build --quiet --profile "$profile" --target "$host" --target-dir ../target/coverage "$@"
echo "$PWD/../target/coverage/$host/${profile/#dev/debug}"

#!/usr/bin/env bash
# Fuzzes one target with coverage feedback on a stable toolchain.
#
# Usage: fuzz/run.sh TARGET [libFuzzer option…]     for example: fuzz/run.sh config -max_total_time=1800
#
# cargo-fuzz wants a nightly compiler for its sanitizers; without them, the coverage pass alone
# works on stable, and panics are found all the same.
set -euo pipefail
cd "$(dirname "$0")"
target=$1
shift

export RUSTFLAGS='-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
 -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Cdebug-assertions --cfg fuzzing'
RUSTFLAGS=${RUSTFLAGS//$'\n'/}
cargo build --quiet --release --target "$(rustc -vV | sed -n 's/^host: //p')" --target-dir target/coverage --bin "$target"

mkdir -p "corpus/$target" "artifacts/$target"
exec target/coverage/*/release/"$target" -artifact_prefix="artifacts/$target/" -print_final_stats=1 "$@" "corpus/$target" $(ls -d "seeds/$target" 2>/dev/null || true)

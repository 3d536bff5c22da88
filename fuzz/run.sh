#!/usr/bin/env bash
# Fuzzes one target, until it is stopped.
#
# Usage: fuzz/run.sh TARGET [libFuzzer option…]     for example: fuzz/run.sh config -max_total_time=1800
set -euo pipefail
cd "$(dirname "$0")"
target=$1
shift

built=$(./build.sh release --bin "$target")
mkdir -p "corpus/$target" "artifacts/$target"
corpora=("corpus/$target")
if [[ -d seeds/$target ]]; then corpora+=("seeds/$target"); fi
exec "$built/$target" -artifact_prefix="artifacts/$target/" -print_final_stats=1 "$@" "${corpora[@]}"

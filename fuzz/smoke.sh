#!/usr/bin/env bash
# Every fuzz target for ten seconds: not to find what is rare, but to see that each still finds its way through what it is for.
set -euo pipefail
cd "$(dirname "$0")"

built=$(./build.sh dev)
corpus=$(mktemp -d)
trap 'rm -rf "$corpus"' EXIT

smoke() {
    local target=$1 log=$corpus/$1.log corpora=("$corpus/$1") found
    mkdir "$corpus/$target"
    if [[ -d seeds/$target ]]; then corpora+=("seeds/$target"); fi
    "$built/$target" -max_total_time=10 -artifact_prefix="$corpus/" "${corpora[@]}" >"$log" 2>&1 || { cat "$log" >&2; return 1; }
    found=$(find "$corpus/$target" -type f | wc -l)
    printf '%-14s %s, %s inputs of interest\n' "$target" "$(grep '^Done ' "$log")" "$found"
    ((found > 0)) || { echo "$target: nothing that it does depends on its input" >&2; return 1; }
}

running=()
for source in fuzz_targets/*.rs; do
    smoke "$(basename "$source" .rs)" &
    running+=($!)
done
for job in "${running[@]}"; do wait "$job"; done

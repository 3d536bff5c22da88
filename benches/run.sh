#!/usr/bin/env bash
# Builds what is measured, and prints the tables of docs/performance.md.
set -euo pipefail
cd "$(dirname "$0")/.."
for tool in python3 openssl time; do
    type -P "$tool" >/dev/null || { echo "please install: $tool" >&2; exit 1; }
done
cargo build --release --quiet --bins --example read-decode
exec python3 benches/bench.py "$@"

#!/usr/bin/env bash
# Builds what is measured, and prints the tables of docs/performance.md.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --quiet --bins --example read-decode
exec python3 benches/bench.py "$@"

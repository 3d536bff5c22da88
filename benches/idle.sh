#!/usr/bin/env bash
# Builds what is measured, and prints what an idle daemon costs.
set -euo pipefail
cd "$(dirname "$0")/.."
type -P python3 >/dev/null || { echo 'please install: python3' >&2; exit 1; }
cargo build --release --quiet --bins
cargo run --quiet --example sample-node -- target/sample
exec python3 benches/idle.py

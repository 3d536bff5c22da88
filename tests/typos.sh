#!/usr/bin/env bash
# Words that nobody meant to write: the `typos` of _typos.toml, from PyPI.
set -euo pipefail
cd "$(dirname "$0")/.."

version=1.52.0
tool=target/tools/typos-$version
if [[ ! -x $tool/bin/typos ]]; then
    if ! python3 -m pip --version >/dev/null 2>&1; then
        (($(id -u) == 0)) || { echo 'please install: python3-pip' >&2; exit 1; }
        DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends python3-pip >/dev/null
    fi
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --target "$tool" "typos==$version"
fi
"$tool/bin/typos" --format brief

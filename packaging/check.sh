#!/usr/bin/env bash
# Whether what `make deb` has built is a good package: lintian, an installation and a purge in a bare Debian (piuparts), and
# the same bytes once more from another directory and another home. Needs root, for piuparts.
set -euo pipefail
cd "$(dirname "$0")/.."

deb=$(echo target/debian/certwatch_*.deb)
[ -f "$deb" ] || { echo 'build it first: make deb' >&2; exit 1; }

missing=()
for tool in lintian piuparts mmdebstrap; do command -v "$tool" >/dev/null || missing+=("$tool"); done
if [ ${#missing[@]} -gt 0 ]; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# said NAME COMMAND...: one line if it goes well, and all that it says if not.
said() {
    "${@:2}" >"$work/said" 2>&1 || { cat "$work/said" >&2; echo "$1: FAILED" >&2; exit 1; }
    echo "$1: ok"
}

said lintian lintian --allow-root --fail-on error,warning --no-tag-display-limit "$deb"

# With systemd in it, or piuparts finds fault with what systemd leaves.
bare=target/package/bare.tar.gz
if [ ! -f "$bare" ]; then
    sources=/etc/apt/sources.list
    [ ! -e /etc/apt/sources.list.d/debian.sources ] || sources=/etc/apt/sources.list.d/debian.sources
    mmdebstrap --quiet --mode=root --variant=minbase --include=systemd,passwd bookworm "$work/bare.tar.gz" "$sources"
    mv "$work/bare.tar.gz" "$bare"
fi
said piuparts piuparts --basetgz "$bare" --distribution bookworm --keep-sources-list --no-upgrade-test \
    --install-remove-install --no-eatmydata --tmpdir "$work" "$deb"

again() {
    mkdir -p "$work/elsewhere/target" "$work/home"
    git ls-files -z --cached --others --exclude-standard | tar --create --null --files-from - | tar --extract --directory "$work/elsewhere"
    [ ! -f "${CARGO_HOME:-$HOME/.cargo}/config.toml" ] || cp "${CARGO_HOME:-$HOME/.cargo}/config.toml" "$work/home"
    cargo run --quiet --example manual -- "$work/elsewhere/target/manual"
    SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) CARGO_DEB=$PWD/target/tools/bin/cargo-deb CARGO_HOME=$work/home \
        "$work/elsewhere/packaging/deb.sh"
    for file in target/debian/*; do cmp "$file" "$work/elsewhere/$file"; done
}
# A whole build more: `--once` leaves it out.
[ "${1:-}" = --once ] || said 'built again, the same bytes' again

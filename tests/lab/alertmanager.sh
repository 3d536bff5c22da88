#!/usr/bin/env bash
# Debian's Alertmanager into target/lab. Unpacked, not installed: its package would start a service.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

dir=$LAB/alertmanager
[[ -x $dir/usr/bin/prometheus-alertmanager ]] && exit 0
rm -rf "$dir.new"
mkdir -p "$dir.new"
cd "$dir.new"
apt-get download prometheus-alertmanager || {
    apt-get update # the machine's lists may be older than its archive
    apt-get download prometheus-alertmanager
}
dpkg-deb -x prometheus-alertmanager_*.deb .
rm -rf "$dir"
mv "$dir.new" "$dir"

#!/usr/bin/env bash
# The Alertmanager that tests/alertmanager.rs runs. Installed, not unpacked: Debian's looks for its templates in /usr/share.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

((EUID == 0)) || die "needs root"
services prometheus-alertmanager

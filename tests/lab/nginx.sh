#!/usr/bin/env bash
# The web server that tests/nginx.rs runs, beside the system's own, if it has one.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

((EUID == 0)) || die "needs root"
services nginx

#!/usr/bin/env bash
# The proxy that tests/squid.rs runs, beside the system's own, if it has one.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

((EUID == 0)) || die "needs root"
services squid

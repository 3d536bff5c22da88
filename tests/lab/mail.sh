#!/usr/bin/env bash
# The mail servers that tests/mail.rs runs, beside the system's own, if it has one.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

((EUID == 0)) || die "needs root"
services postfix python3-aiosmtpd

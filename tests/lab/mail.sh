#!/usr/bin/env bash
# The mail servers that tests/mail.rs runs. The system's own postfix is not touched, and not
# started either.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

((EUID == 0)) || die "needs root"
policy=/usr/sbin/policy-rc.d
if ! dpkg-query -W postfix >/dev/null 2>&1 && [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
packages postfix python3-aiosmtpd

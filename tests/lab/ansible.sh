#!/usr/bin/env bash
# What the test of the Ansible role runs: a controller.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

((EUID == 0)) || die "needs root"
packages ansible-core ansible-lint openssh-client

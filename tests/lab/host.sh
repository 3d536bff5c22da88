#!/usr/bin/env bash
# Whether this machine can run the lab: says in one line what is missing.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

((EUID == 0)) || die "needs root"
# shellcheck source=/dev/null
[[ $(. /etc/os-release && echo "${ID:-} ${VERSION_ID:-}") == "debian 12" ]] || die "needs Debian 12"
[[ -d /sys/fs/cgroup/systemd && -d /sys/fs/cgroup/memory ]] ||
    die "needs cgroup v1 (boot with systemd.unified_cgroup_hierarchy=0): Kubernetes 1.20 is of that time, and nodes share it"
grep -qw overlay /proc/filesystems || modprobe overlay || die "needs overlayfs"
# A node takes a dozen of the 128 that root has otherwise; the tenth finds its containerd without the CRI.
(($(</proc/sys/fs/inotify/max_user_instances) >= 1024)) || echo 1024 >/proc/sys/fs/inotify/max_user_instances
packages systemd-container iproute2 util-linux strace

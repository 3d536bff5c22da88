#!/usr/bin/env bash
# Builds a version of Kubernetes, and what it runs on, into target/lab/bin.
#
#   tests/lab/kubernetes.sh kubeadm    kubeadm alone, a minute or two
#   tests/lab/kubernetes.sh all        with kubectl, kubelet, the control plane, and whatever of etcd, containerd
#                                      and crictl is not Debian's
#
# KUBERNETES names the version. Each program gets its name by a rename once it is whole, so what stands in bin can be
# trusted.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
facts
case $SOURCE in
    debian) source "$HERE/debian.sh" ;;
    modules) source "$HERE/modules.sh" ;;
esac

PROGRAMS=(kubeadm kubectl kubelet kube-apiserver kube-controller-manager kube-scheduler pause)

# missing PATH...: those of these that are not in bin.
missing() {
    local path
    for path; do [[ -e $LAB/bin/$path ]] || echo "$path"; done
}

case ${1:-all} in
    kubeadm) wanted=("$VERSION/kubeadm") ;;
    all) wanted=("${PROGRAMS[@]/#/$VERSION/}" "${MODULES[@]}") ;;
    *) die "usage: kubernetes.sh [kubeadm|all]" ;;
esac
[[ $(missing "${wanted[@]}") ]] || exit 0 # so that nobody waits for the build of another version
lock kubernetes
mapfile -t wanted < <(missing "${wanted[@]}")
mkdir -p "$BIN"
build "${wanted[@]}"

#!/usr/bin/env bash
# Pins a version of Kubernetes for the lab: `pin.sh 1.36.3` writes tests/lab/kubernetes/1.36/{go.mod,go.sum}.
#
# Its module expects its staging modules beside it, where only its repository has them. Here they are replaced by the
# modules that were published with it.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

version=${1:?usage: pin.sh VERSION, such as 1.36.3}
dir=$HERE/kubernetes/${version%.*}
theirs=$(go mod download -json "k8s.io/kubernetes@v$version" | sed -n 's/.*"GoMod": "\(.*\)",/\1/p')

mkdir -p "$dir"
cd "$dir"
{
    printf 'module lab\n\ngo 1.26.0\n\n'
    sed -n '/^godebug /{p;s/.*//p}' "$theirs"
    printf 'tool (\n'
    printf '\tk8s.io/kubernetes/cmd/%s\n' kube-apiserver kube-controller-manager kube-scheduler kubeadm kubectl kubelet
    printf ')\n\nrequire k8s.io/kubernetes v%s\n\nreplace (\n' "$version"
    sed -nE "s,^\t(.*) => \./staging/.*,\t\1 => \1 v0.${version#*.},p" "$theirs"
    printf ')\n'
} >go.mod
rm -f go.sum
go mod tidy

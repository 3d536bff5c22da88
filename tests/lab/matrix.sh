#!/usr/bin/env bash
# What certwatch does on every version of Kubernetes, or on those in VERSIONS="1.37 1.31", into docs/compatibility.md.
# `make lab-matrix`; words after it go to the tests (`rsa`, `ecdsa`).
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Each in a script of its own, so that one that fails does not hold up the others.
all() {
    local version failed=()
    for version in ${VERSIONS:-$(cd "$HERE/kubernetes" && printf '%s\n' */ | tr -d / | sort --version-sort --reverse)}; do
        echo "Kubernetes $version"
        KUBERNETES=$version "$HERE/matrix.sh" "$@" || failed+=("$version")
    done
    ((!${#failed[@]})) || die "failed on ${failed[*]}"
}

one() {
    facts
    cd "$HERE/../.."
    "$HERE/host.sh"
    "$HERE/kubernetes.sh" all
    "$HERE/base.sh"
    export CERTWATCH_CLUSTER=${CERTWATCH_CLUSTER:-matrix}
    trap down EXIT
    # One after the other: what is measured is not to wait for another cluster.
    RUST_TEST_THREADS=1 cargo test --quiet --features lab --test matrix -- --nocapture "$@"
}

down() {
    local keys
    for keys in rsa ecdsa; do CLUSTER=$CERTWATCH_CLUSTER-$keys-$KUBERNETES "$HERE/cluster.sh" down; done
}

if [[ ${KUBERNETES:-} ]]; then one "$@"; else all "$@"; fi

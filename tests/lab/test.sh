#!/usr/bin/env bash
# The tests that need root and a real control plane: `make test-lab`. Words after it go to the tests.
# The clusters are gone afterwards; what was built stays in target/lab for the next time.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$HERE/../.."

"$HERE/host.sh"
"$HERE/mail.sh"
"$HERE/alertmanager.sh"
"$HERE/ansible.sh"
"$HERE/kubernetes.sh" all
"$HERE/base.sh"
down() {
    local cluster
    for cluster in test-1 test-1b test-1c test-1d test-3 killed; do CLUSTER=$cluster "$HERE/cluster.sh" down; done
}
trap down EXIT
# Most of a test of the lab is waiting.
export RUST_TEST_THREADS=${RUST_TEST_THREADS:-4}
cargo test --features lab --test alertmanager --test crash --test faults --test hang --test kubeadm \
    --test lab --test log --test mail --test renew_files --test store -- "$@"

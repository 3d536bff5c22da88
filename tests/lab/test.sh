#!/usr/bin/env bash
# The tests that need root and a real control plane: `make test-lab`. Words after it go to the tests.
# KUBERNETES names the version. The clusters are gone afterwards; what was built stays in target/lab for the next time.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
facts
cd "$HERE/../.."

"$HERE/host.sh"
"$HERE/mail.sh"
"$HERE/squid.sh"
"$HERE/nginx.sh"
"$HERE/alertmanager.sh"
"$HERE/ansible.sh"
"$HERE/kubernetes.sh" all
"$HERE/base.sh"
down() {
    local cluster tests=${CERTWATCH_CLUSTER:-test}
    for cluster in "$tests"-{1,1b,1c,1d,3} killed; do CLUSTER=$cluster-$KUBERNETES "$HERE/cluster.sh" down; done
}
trap down EXIT
# Most of a test of the lab is waiting.
export RUST_TEST_THREADS=${RUST_TEST_THREADS:-4}
cargo test --features lab --test alertmanager --test copies --test crash --test faults --test go --test hang --test kubeadm \
    --test kubeadm_config --test lab --test log --test mail --test nginx --test renew_files --test renew_paths --test squid --test store -- "$@"

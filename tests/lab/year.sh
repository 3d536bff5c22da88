#!/usr/bin/env bash
# Years of a node in minutes: the package on a node whose clock is moved. `make lab-year`; words after it go to the tests.
# The cluster stays, stopped: `CLUSTER=year-1.37 make lab-down` removes it.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
facts
cd "$HERE/../.."

"$HERE/mail.sh"
# One after the other: they have one node.
RUST_TEST_THREADS=1 cargo test --quiet --features lab --test year -- --nocapture "$@"

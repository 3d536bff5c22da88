# Two commands are enough on a fresh Debian 12 with Rust: `make run` and `make test`.

SAMPLE := target/sample

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */\1\t/' | expand -t 14

.PHONY: run
run: tools ## build, lay out a sample node with certificates in every state, and check it
	cargo build --release
	cargo run --quiet --example sample-node -- $(SAMPLE)
	@echo; echo '$$ certwatch check --root $(SAMPLE)'
	@target/release/certwatch check --root $(SAMPLE); status=$$?; echo; echo "exit status $$status, the worst row decides: 0 ok, 1 warning, 2 critical, 3 unknown"

.PHONY: test
test: tools ## all tests that need neither root nor a cluster
	cargo test --quiet
	@echo 'The tests on a real kubeadm control plane are apart: make test-lab'

.PHONY: lint
lint: tools ## formatting, clippy, documentation, scripts, typos
	cargo fmt --all --check
	cargo clippy --all-targets --all-features --quiet -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --no-deps --document-private-items --quiet
	shellcheck .ci/run fuzz/*.sh tests/*.sh tests/lab/*.sh tests/lab/kubernetes/*/*.sh tests/lab/rootfs/usr/local/sbin/* tests/lab/uml/rootfs/usr/local/sbin/* benches/*.sh packaging/*.sh packaging/debian/p*
	tests/units.sh
	tests/typos.sh

CARGO_DEB := target/tools/bin/cargo-deb

# Not optimised: that would take it longer than it works.
$(CARGO_DEB):
	cargo install cargo-deb --version 3.8.0 --locked --debug --quiet --root target/tools

.PHONY: deb
deb: tools $(CARGO_DEB) ## the Debian package, and one with its debug symbols, into target/debian
	cargo run --quiet --example manual -- target/manual
	packaging/deb.sh

.PHONY: check-deb
check-deb: deb ## lintian, piuparts, and whether it is built again with the same bytes (needs root)
	packaging/check.sh

.PHONY: deny
deny: ## licenses, sources and bans of all dependencies
	tests/deny.sh

.PHONY: measure
measure: ## how large the pieces of the program are, and how much of it is documented
	@tests/architecture/measure.py

.PHONY: bench
bench: tools ## the figures of docs/performance.md (needs kubeadm: see docs/lab.md)
	benches/run.sh

.PHONY: bench-idle
bench-idle: tools ## what an idle daemon costs, in six minutes
	benches/idle.sh

.PHONY: crash
crash: tools ## 1,000 kills of a daemon that sends and writes (CERTWATCH_KILLS=1000)
	CERTWATCH_KILLS=$${CERTWATCH_KILLS:-1000} cargo test --features lab --test crash -- --nocapture

.PHONY: tools
tools:
	@tests/tools.sh

include tests/lab/lab.mk

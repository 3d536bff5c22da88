# The lab: a real control plane on this machine (docs/lab.md). Included by the Makefile.
CLUSTER ?= dev
NODES ?= 1
NODE ?= cp1
LAB := CLUSTER=$(CLUSTER) tests/lab/cluster.sh

.PHONY: lab-up
lab-up: ## a real kubeadm control plane on this machine (NODES=3 for three, KUBERNETES=1.20, KIND=uml)
	@$(LAB) up $(NODES)
	@echo 'make lab-shell: a shell in it; make lab-reset: as new; make lab-down: gone'

.PHONY: lab-shell
lab-shell: ## a root shell in it (NODE=cp1)
	@$(LAB) shell $(NODE)

.PHONY: lab-status
lab-status: ## how its nodes are
	@$(LAB) status

.PHONY: lab-reset
lab-reset: ## as it was when it was new
	@$(LAB) reset

.PHONY: lab-down
lab-down: ## remove it without a trace
	@$(LAB) down

.PHONY: test-lab
test-lab: deb ## the tests that need it: root, Debian 12, minutes
	@tests/lab/test.sh

.PHONY: lab-matrix
lab-matrix: tools ## docs/compatibility.md, measured on each version of Kubernetes (VERSIONS="1.37 1.31")
	@tests/lab/matrix.sh

.PHONY: lab-year
lab-year: deb ## three years of a node whose clock is moved, with the package and real mail, half an hour
	@tests/lab/year.sh

.PHONY: crash-renew
crash-renew: ## 110 crashes of a renewal, half an hour (CERTWATCH_KILLS=110)
	@CERTWATCH_KILLS=$${CERTWATCH_KILLS:-110} tests/lab/test.sh renew_crash:: --nocapture

.PHONY: test-package
test-package: deb ## the Debian package and the Ansible role on a real node
	@tests/lab/test.sh package::

.PHONY: renew-faults
renew-faults: ## what can go wrong around a renewal, as a table, half an hour
	@tests/lab/test.sh renew_faults:: --nocapture --include-ignored

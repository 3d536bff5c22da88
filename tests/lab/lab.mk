# The lab: a real control plane on this machine (docs/lab.md). Included by the Makefile.
CLUSTER ?= dev
NODES ?= 1
NODE ?= cp1
LAB := CLUSTER=$(CLUSTER) tests/lab/cluster.sh

.PHONY: lab-up lab-shell lab-status lab-reset lab-down test-lab
lab-up: ; @$(LAB) up $(NODES)
lab-shell: ; @$(LAB) shell $(NODE)
lab-status: ; @$(LAB) status
lab-reset: ; @$(LAB) reset
lab-down: ; @$(LAB) down
test-lab: ; @tests/lab/test.sh

# `make` lists what there is. `make up` and `make test` need nothing before them but
# Python >= 3.11, Go >= 1.26, make and bash.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/requirements.stamp
HOME_DIR := .local
# The style of words (docs/style.md). Go builds vale once and keeps it in its own cache.
VALE := go -C local/toolchain/vale tool vale --config $(CURDIR)/.vale.ini --output line
# Where this is set, as in many container images, every process compiles every module again: pytest
# all tests for each worker, each command and each machine of the local cloud its own.
unexport PYTHONDONTWRITEBYTECODE
BEGAN := $(shell date +%s)
TOOK = $$(( $$(date +%s) - $(BEGAN) )) s
# Unit tests wait a third of their time, for simulated states and for programs that they start.
WORKERS := $(shell cores=$$(getconf _NPROCESSORS_ONLN); echo $$((cores + (cores + 1) / 2)))
PROSE := $(addprefix $(CURDIR)/,README.md CONTRIBUTING.md docs config planning components operations \
  policies local)

.PHONY: help
help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): requirements.txt requirements-dev.txt operations/venv.sh
	@bash operations/venv.sh $(VENV)

.PHONY: venv
venv: $(STAMP) ## Create .venv from the pinned requirements.

.PHONY: up
up: $(STAMP) ## Deploy the local stack on the local cloud; run again at any time.
	@$(BIN)/python -m operations local up

.PHONY: down
down: $(STAMP) ## Destroy the local stack and stop the local cloud.
	@$(BIN)/python -m operations local down

# A local cloud of its own, so that the local stack can run at the same time. The image of virtual
# machines is shared with the nightly tests.
LAB := --home $(HOME_DIR)/lab --config-file stacks/lab.yaml
LAB_KUBECTL := $(HOME_DIR)/bin/kubectl --kubeconfig $(HOME_DIR)/lab/kubeconfig
lab labdown: export LOCALCLOUD_VIRTUAL := $(CURDIR)/$(HOME_DIR)/virtual
# An emulated processor may need half an hour for a machine's boot on a busy host.
lab: export SPIDERPOOL_ALICLOUD_READY_SECONDS := 3000

.PHONY: lab
lab: $(STAMP) ## Deploy a stack whose workers are virtual machines, and verify its packets.
	$(BIN)/python -m toolchain ensure --node
	$(BIN)/python -m operations local up $(LAB) --eip-range 127.67.0.0/16 --machines mixed
	$(LAB_KUBECTL) --namespace kube-system wait deployment/coredns --timeout=50m \
	  --for=jsonpath='{.status.readyReplicas}'=2
	$(LAB_KUBECTL) rollout status daemonset/test-app-1
	$(LAB_KUBECTL) rollout status daemonset/test-app-2
	$(BIN)/python -m operations backup --stack local $(LAB)
	$(BIN)/python -m operations verify $(LAB) --at-once 4 --junit $(HOME_DIR)/lab/verify.xml \
	  --report $(HOME_DIR)/lab/verify.html
	@echo "make lab: $(TOOK). It keeps running: source $(HOME_DIR)/lab/env. make labdown ends it."

.PHONY: labdown
labdown: $(STAMP) ## Destroy the lab's stack and stop its local cloud.
	@$(BIN)/python -m operations local down $(LAB) --eip-range 127.67.0.0/16

.PHONY: check
check: $(STAMP) ## Lint, types, import rules and unit tests: the fast part.
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target lint types words
	$(BIN)/pytest -m "unit and not process" -n $(WORKERS) -q --durations=25
	@echo "make check: $(TOOK)"

.PHONY: lint
lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: types
types: $(STAMP)
	$(BIN)/mypy .

.PHONY: words
words:
	@if command -v go >/dev/null; then $(VALE) $(PROSE); else \
	  echo 'go is not on PATH: the style of the words is not checked'; fi

.PHONY: processes
processes: $(STAMP) ## Tests that start and kill programs hundreds of times.
	$(BIN)/pytest -m process -n auto -q

# For other tracebacks pytest parses modules, which Python 3.11 may fail at while another thread does
# the same (https://github.com/python/cpython/issues/106905), and then the whole run ends.
.PHONY: test
test: check processes ## Everything there is: check, programs that are killed, the engine tier.
	$(BIN)/python -m toolchain ensure
	$(BIN)/pytest -m engine -n 3 --dist loadgroup --no-loadscope-reorder -q --durations=25 --tb=native
	@echo "make test: $(TOOK)"

.PHONY: nightly
nightly: $(STAMP) ## What takes too long for every change: long fuzzing and whole sweeps.
	$(BIN)/python -m toolchain ensure --previous-kubernetes --next-kubernetes --node
	$(BIN)/pytest -m "unit or process" -n auto -q --hypothesis-profile=random
	$(BIN)/pytest -m nightly -q --durations=15 --hypothesis-profile=random

.PHONY: bench
bench: $(STAMP) ## Measure against a flat program and OpenTofu; writes benchmarks/results.md.
	$(BIN)/python -m toolchain ensure --opentofu
	$(BIN)/python benchmarks/program.py
	$(BIN)/python -m benchmarks.engine

.PHONY: lock
lock: $(STAMP) ## Compile requirements*.txt from requirements*.in.
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	  --custom-compile-command "make lock" requirements.in -o requirements.txt
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	  --custom-compile-command "make lock" requirements-dev.in -o requirements-dev.txt

.PHONY: clean
clean: ## Stop the local cloud and remove every ignored folder.
	@if [ -x $(BIN)/python ] && [ -d $(HOME_DIR)/cloud ]; then \
	  $(BIN)/python -m localcloud stop --home $(HOME_DIR); fi
	@if [ -x $(BIN)/python ] && [ -d $(HOME_DIR)/lab/cloud ]; then \
	  $(BIN)/python -m localcloud stop --home $(HOME_DIR)/lab; fi
	@if [ -d $(HOME_DIR) ]; then chmod -R u+w $(HOME_DIR); fi
	rm -rf $(HOME_DIR) $(VENV) .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Everything a person or CI runs. On a fresh machine with python3 (3.11 or newer) and make, `make demo` and
# `make test` do all the set-up themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
endif
PIP := $(BIN)/python -m pip --disable-pip-version-check
CORE := $(VENV)/.core
SERVE := $(VENV)/.serve
DEV := $(VENV)/.dev
BENCH := $(VENV)/.bench
PAGE := $(VENV)/.page
SCHEMA := $(VENV)/.schema
ENGINES := $(VENV)/.engines
CLUSTER := $(VENV)/.cluster
# Tests start hundreds of processes, and each would compile the package anew.
export PYTHONDONTWRITEBYTECODE :=
# Many tests wait for a disk or another process: a third worker uses the time on two cores.
SPREAD := -n 3 --dist worksteal

.PHONY: help demo test test-heavy test-page test-schema test-engines test-cluster test-cluster-heavy test-torch test-torch-heavy check format bench bench-large dist lock clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(CORE): requirements/core.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "seealike needs Python 3.11 or newer; say which: make PYTHON=python3.12 ...")'
	$(PIP) --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)  # also one that was interrupted
	$(PIP) install -q --require-hashes --only-binary :all: -r requirements/core.txt
	$(PIP) install -q --no-deps --no-build-isolation -e .
	@touch $@

$(SERVE): $(CORE) requirements/serve.txt
	$(PIP) install -q --require-hashes --only-binary :all: -r requirements/serve.txt
	@touch $@

$(DEV): $(CORE) requirements/dev.txt
	$(PIP) install -q --require-hashes --only-binary :all: -r requirements/dev.txt
	@touch $@

$(BENCH): $(DEV) requirements/bench.txt
	$(PIP) install -q --require-hashes -r requirements/bench.txt
	@touch $@

$(PAGE): $(DEV) requirements/page.txt
	$(PIP) install -q --require-hashes --only-binary :all: -r requirements/page.txt
	@touch $@

$(SCHEMA): $(DEV) requirements/schema.txt
	$(PIP) install -q --require-hashes --only-binary :all: -r requirements/schema.txt
	@touch $@

$(ENGINES): $(DEV) requirements/engines.txt
	$(PIP) install -q --require-hashes --only-binary :all: -r requirements/engines.txt
	@touch $@

$(CLUSTER): $(DEV) requirements/cluster.txt
	$(PIP) install -q --require-hashes --only-binary :all: -r requirements/cluster.txt
	@touch $@

demo: $(SERVE)  ## draw a sample catalogue, index it, search it, write a results page, say how to serve it
	$(BIN)/seealike demo

test: $(DEV)  ## the default tests: no network, about three and a quarter minutes on two cores
	$(BIN)/python -m pytest $(SPREAD)

test-heavy: $(DEV)  ## kill tests, the whole hostile corpus, long state machines
	$(BIN)/python -m pytest -m "heavy and not torch and not cluster" --timeout 1500

test-page:  ## the page of `seealike serve` in Debian's Chromium, and what axe says of it; skipped where there is none
	$(MAKE) $(PAGE) || $(MAKE) $(DEV)
	$(BIN)/python -m pytest -m page

test-schema: $(SCHEMA)  ## all that the service's description allows, and much that it does not, asked by schemathesis
	$(BIN)/python -m pytest -m schema --timeout 1500

test-engines: $(ENGINES)  ## catalogues in PostgreSQL and milvus-lite, which packages bring: copied, asked, killed
	$(BIN)/python -m pytest -m engine --timeout 1500

test-cluster: $(CLUSTER)  ## embedding on object storage and on a Ray cluster of two nodes, both on this machine
	$(BIN)/python -m pytest -m "cluster and not heavy" --timeout 1500

test-cluster-heavy: $(CLUSTER)  ## nodes of the cluster killed at random moments
	$(BIN)/python -m pytest -m "cluster and heavy" --timeout 1500

test-torch: $(DEV)  ## parity with the reference implementation (installs torch and timm beside the rest)
	$(BIN)/python tools/install_torch.py
	$(BIN)/python -m pytest -m "torch and not heavy"

test-torch-heavy: $(DEV)  ## large networks exported and compared, encoders taught, killed and resumed
	$(BIN)/python tools/install_torch.py
	$(BIN)/python -m pytest -m "torch and heavy" --timeout 1500

check: $(DEV)  ## format, lint, strict types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(DEV)  ## put the code into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench-large: $(BENCH)  ## what grows how, up to three million vectors, and lists over shards; takes hours and 30 GB
	$(BIN)/python -m benchmarks.growth 100000 300000 1000000 3000000
	$(BIN)/python -m benchmarks.sharded_lists

bench: $(BENCH)  ## measure, side by side with the neighbours; writes .bench/results.md
	$(BIN)/python -m benchmarks

dist: $(CORE)  ## wheel and sdist in dist/, checked, and the wheel used offline in an environment of its own
	$(BIN)/python tools/dist.py

lock: $(DEV)  ## resolve the dependencies anew (hashes included)
	$(PIP) install -q uv
	tools/lock.sh $(BIN)/uv

clean:  ## remove everything made here
	rm -rf $(VENV) build dist seealike-demo .bench .mypy_cache .ruff_cache .pytest_cache .hypothesis

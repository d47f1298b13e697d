# What a person types. `make demo` and `make test` set up everything they need in .venv; see `make help`.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
STAMP := $(VENV)/.installed
DEMO := demo
# Three processes on two cores, for much of the time is waiting for Ray. Each has its own Ray, bucket server and folders;
# a file's tests stay together and share what they made.
SHARED := -n 3 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help demo test test-all bench soak lint setup clean

help:  ## these lines
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(STAMP)  ## a short movie of real faces through every stage, to its cast sheet; 2 to 4 minutes
	@$(VENV)/bin/castmine demo --out $(DEMO)

test: lint  ## style, types and the tests that take seconds; under 20 minutes from nothing
	@$(VENV)/bin/pytest -m "not slow" $(SHARED)

test-all: test  ## the tests that take minutes too
	@$(VENV)/bin/pytest -m slow

bench: $(STAMP)  ## every benchmark of tests/bench, one after another
	@set -e; for file in tests/bench/[!_]*.py; do \
	  name=$$(basename "$$file" .py); echo "== $$name"; $(VENV)/bin/python -m "tests.bench.$$name"; \
	done

soak: $(STAMP)  ## 50 workers and 10 drivers killed at random instants, and the bytes that are left; 20 minutes
	@$(VENV)/bin/python -m tests.soak.kills

lint: $(STAMP)  ## style and types alone
	@$(VENV)/bin/ruff check --quiet .
	@$(VENV)/bin/ruff format --check --quiet .
	@$(VENV)/bin/mypy

setup: $(STAMP)  ## .venv with the pinned packages; again when the pins or pyproject.toml have changed

$(STAMP): infra/constraints.txt pyproject.toml
	@test -n "$(PYTHON)" && "$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo 'castmine needs Python 3.11 or newer; name one: make PYTHON=/path/to/python3.11 ...' >&2; exit 1; }
	@echo "setting up $(VENV) with $$("$(PYTHON)" --version), once: 2 to 5 minutes"
	@$(VENV)/bin/python -m pip --version >/dev/null 2>&1 || "$(PYTHON)" -m venv --clear $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c infra/constraints.txt -e '.[bundled,dev]'
	@touch $@

clean:  ## take away .venv, caches and the demo's folder
	rm -rf $(VENV) $(DEMO) build .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +

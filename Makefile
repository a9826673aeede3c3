# What can be done here: `make help`. The environment is .venv; its command is .venv/bin/doorward.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
WORKERS ?= 2
SIZES ?= S M
FUZZ_SECONDS ?= 60

.PHONY: help setup demo test lint bench bench-lab nightly fuzz docs lock clean

help: ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## make .venv with everything that is locked, and doorward itself

$(STAMP): requirements/dev.txt pyproject.toml .ci/setup
	PYTHON=$(PYTHON) VENV=$(VENV) .ci/setup
	@touch $@

demo: $(STAMP) ## gate the outage example, good and bad plan, and show the picture of what broke
	$(BIN)/python examples/outage-2024-02-15/demo.py

test: $(STAMP) ## all tests but the nightly ones
	$(BIN)/python -m pytest -q -n $(WORKERS)

lint: $(STAMP) ## style, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(STAMP) ## speed, e.g. make bench SIZES="S M L X"; writes benchmarks/results/latest.json
	$(BIN)/python -m benchmarks.run --sizes $(SIZES)

bench-lab: $(STAMP) ## speed and size of the lab; writes benchmarks/results/lab.json (about 5 minutes)
	$(BIN)/python -m benchmarks.lab

nightly: $(STAMP) ## tests with the large profiles (20,000 estates and more)
	HYPOTHESIS_PROFILE=nightly $(BIN)/python -m pytest -q -n $(WORKERS) -m "nightly or not nightly"

fuzz: $(STAMP) ## coverage-guided fuzzing of the readers, FUZZ_SECONDS each
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/fuzz.txt
	$(BIN)/python -m tests.fuzz.run --seconds $(FUZZ_SECONDS)

docs: $(STAMP) ## regenerate what is generated: README blocks, help pages, schema, the example's files
	$(BIN)/python examples/outage-2024-02-15/build.py
	$(BIN)/python docs/generate.py

lock: ## solve the dependencies anew and write the lock files
	@set -- --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --custom-compile-command "make lock" --quiet $(LOCKFLAGS); \
	$(BIN)/uv pip compile pyproject.toml "$$@" -o requirements/runtime.txt; \
	$(BIN)/uv pip compile pyproject.toml --extra lab "$$@" -c requirements/runtime.txt -o requirements/lab.txt; \
	$(BIN)/uv pip compile pyproject.toml --extra lab --extra postgres --extra notify --group dev "$$@" -c requirements/lab.txt -o requirements/dev.txt; \
	$(BIN)/uv pip compile pyproject.toml --group fuzz "$$@" -c requirements/dev.txt -o requirements/fuzz.txt

clean: ## remove what can be made again (not .venv, not .benchdata)
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests benchmarks docs examples -name __pycache__ -type d -prune -exec rm -rf {} +

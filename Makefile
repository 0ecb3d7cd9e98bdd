PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test check ui lock clean

help:            ## What there is to make
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/^([a-z]+):[^#]*## /  make \1\t/'

$(BIN)/.installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v < (3, 14) else "ml_assets needs Python 3.11 to 3.13, this is %d.%d; try make PYTHON=python3.12" % v[:2])'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/python -m compileall -q -j 0 $(VENV)/lib ml_assets || true   # a package may ship a template that is no Python
	touch $@

demo: $(BIN)/.installed   ## Install, then run the complaints problem end to end on generated data
	$(BIN)/ml-assets demo

test: $(BIN)/.installed   ## Install, then run the whole test suite
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

check: $(BIN)/.installed  ## Linters, types and Dagster's own check of the definitions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/dg check defs

ui: $(BIN)/.installed     ## Open Dagster, and the prediction service beside it, on the project's own home
	$(BIN)/ml-assets ui

lock:                     ## Renew requirements.lock from pyproject.toml (needs uv)
	uv pip compile pyproject.toml --extra dev --extra postgres --universal --python-version 3.11 \
	  --generate-hashes --no-annotate --no-header --upgrade -q -o requirements.lock

clean:                    ## Remove the environment and the home that make demo and make ui fill
	rm -rf $(VENV) .ml_assets

# People and CI run the same targets. Only Python >= 3.11 with pip and venv, and make, are needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: setup run test test-all test-ui check fix rooms bench

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and "Lassoscope needs Python 3.11 or newer, this is %d.%d; say make PYTHON=python3.12" % v[:2])'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --disable-pip-version-check --quiet --constraint constraints.txt --editable '.[dev,ocr]'
	touch $@

run: setup
	$(BIN)/lassoscope demo

test: setup
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal

test-ui: setup
	$(BIN)/python -m pytest -m ui

test-all: setup
	$(BIN)/python -m pytest -m 'not gpu'

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

rooms: setup
	$(BIN)/python -m docs.rooms

bench: setup
	$(BIN)/python -m benchmarks.run_all

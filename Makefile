# People and CI run the same targets. Only Python >= 3.11 with pip and venv, and make, are needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
LOCK := requirements.lock
UV := $(BIN)/python tools/uv.py
AXE := tests/ui/axe/node_modules/.package-lock.json

# Where it is set, as in many containers, every process would compile all libraries again: seconds at each start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup run test test-all test-ui test-wheel check fix docs rooms bench lock

setup: $(STAMP)

# uv comes first, in the lock's version, and installs the rest: 6 GB that pip unpacks one file after the other. It
# compiles them on all cores, once: the first commands and tests would each wait for it. So would the first map for numba.
$(STAMP): pyproject.toml $(LOCK)
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and "Lassoscope needs Python 3.11 or newer, this is %d.%d; run make PYTHON=python3.12" % v[:2])'
	PYTHON=$(PYTHON) tools/environment.sh $(VENV)
	$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --constraint $(LOCK) --build-constraints $(LOCK) \
	  --editable '.[dev]'
	$(BIN)/python -m core.map.kernels
	touch $@

run: setup
	$(BIN)/lassoscope demo

test: setup
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal

# axe-core, whose rules for accessible pages a browser test applies: from npm, by the lock file; without npm that test is skipped.
$(AXE): tests/ui/axe/package-lock.json
	@if command -v npm >/dev/null; then npm ci --silent --no-audit --no-fund --prefix tests/ui/axe && touch $@; \
	  else echo "no npm: the browser test by axe-core will be skipped"; fi

# A browser that never answers fails its test after ten minutes instead of holding the run for ever.
test-ui: setup $(AXE)
	$(BIN)/python -m pytest tests/ui -m ui --numprocesses 2 --dist loadfile --no-loadscope-reorder \
	  -o faulthandler_timeout=600 -o faulthandler_exit_on_timeout=true

test-wheel:
	tools/test_wheel.sh

test-all: setup $(AXE)
	$(BIN)/python -m pytest -m 'not gpu'

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

fix: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

rooms: setup
	$(BIN)/python -m tools.rooms

bench: setup
	$(BIN)/python -m benchmarks.run_all

# Every version that may be installed, with hashes, for all supported Pythons; UPGRADE=1 takes the newest ones.
# Without pip's settings: an index with some of a package's files would leave the hashes of the others out.
lock: setup
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header --all-extras \
	  $(if $(UPGRADE),--upgrade) pyproject.toml --output-file $(LOCK)

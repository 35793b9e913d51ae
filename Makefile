# make run     create .venv and run the whole experiment on this machine
# make check   lint, types and the quick tests: at most a minute on two cores
# make test    lint, types and every test, as CI does: at most seven minutes on two cores
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# One more than the two cores: many tests wait for a process, a server or a timer. Each further
# worker costs ten seconds, in which it imports TensorFlow, MLflow and Azure's SDK.
WORKERS ?= 3
RUNS ?= 10
BUSY ?= 0

# Tests that share an expensive fixture are one group, and a group runs on one worker.
PYTEST := $(BIN)/python -m pytest
PARALLEL := $(PYTEST) -n $(WORKERS) --dist loadgroup
USUAL := -m "not soak and not azure and not faults"

.DEFAULT_GOAL := run
.PHONY: run check quick-tests test all-tests test-repeat test-soak test-azure test-azure-faults \
	test-compat lint types format bench clean

run: $(VENV)/.installed
	$(BIN)/mnist-exp stage=all $(ARGS)

# The tests without the mark `external`: they start no process and open no store or socket.
# A test that does so without the mark fails here and in `make test` (tests/conftest.py).
check: $(VENV)/.installed-dev
	@$(MAKE) --jobs=3 --output-sync=target --no-print-directory lint types quick-tests

quick-tests: $(VENV)/.installed-dev
	$(PYTEST) -n 2 --dist loadgroup --fast $(USUAL) --quiet $(ARGS)

test: lint types all-tests

all-tests: $(VENV)/.installed-dev
	$(PARALLEL) $(USUAL) $(ARGS)

# RUNS runs of every test, beside BUSY busy loops. Stops at the first run that fails.
test-repeat: $(VENV)/.installed-dev
	RUNS=$(RUNS) BUSY=$(BUSY) tests/repeat.sh $(PARALLEL) $(USUAL) --quiet $(ARGS)

# Long kill, soak and fault runs. `make test` runs their short forms. DATA: as for bench.
test-soak: $(VENV)/.installed-dev
	$(PYTEST) -m soak $(if $(DATA),--data $(DATA)) $(ARGS)

# All tests of Azure, with those that take too long for `make test`: the emulator, the workspace
# on it, the contracts and the commands.
test-azure: $(VENV)/.installed-dev
	$(PARALLEL) -m "not soak and not faults" \
		tests/workspaces/azure tests/contracts tests/commands/test_azure.py \
		tests/commands/test_tutorial_calls.py tests/checks/test_azure.py $(ARGS)

# Every fault at every kind of request. `make test` draws forty of them with a seed.
test-azure-faults: $(VENV)/.installed-dev
	$(PYTEST) -n $(WORKERS) tests/workspaces/azure/test_faults.py $(ARGS)

# The trainer alone, on the TensorFlow of Azure's image and on the newest one. Downloads both.
test-compat: $(VENV)/.installed-dev
	$(BIN)/python tests/trainer/compat.py --environment build/compat $(ARGS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# One run for both packages: two runs would each analyse NumPy and MLflow.
types: $(VENV)/.installed-dev
	$(BIN)/mypy

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# DATA: a folder with the MNIST files. Without it, the benchmark uses the sample digits.
DATA ?=
bench: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks $(if $(DATA),--data $(DATA)) $(ARGS)

# These stamps are newer than the files they depend on, so a second `make` installs nothing.
$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
		|| { echo "error: PYTHON: must be Python 3.11 to 3.13, got $$($(PYTHON) --version 2>&1); choose one with make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
		|| { rm -rf $(VENV); echo "error: venv: $(PYTHON) cannot create a virtual environment; on Debian: apt install python3-venv" >&2; exit 1; }
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[azure]"
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[azure,dev]"
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis

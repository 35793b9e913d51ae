# make run     create .venv and run the whole experiment on this machine
# make check   lint, types and the quick tests: at most a minute on two cores
# make test    lint, types and every test, as CI does: at most seven minutes on two cores
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# Number of pytest workers: one more than the two cores, because many tests wait for a process, a
# server or a timer. Each worker needs ten seconds to import TensorFlow, MLflow and Azure's SDK.
WORKERS ?= 3
RUNS ?= 10
BUSY ?= 0

# Tests that share an expensive fixture are one group, and a group runs on one worker.
PYTEST := $(BIN)/python -m pytest
PARALLEL := $(PYTEST) -n $(WORKERS) --dist loadgroup
USUAL := -m "not soak and not azure and not faults"

.DEFAULT_GOAL := run
.PHONY: run check quick-tests test all-tests test-repeat test-soak test-azure test-azure-faults \
	test-compat test-parity lint types format images bench clean

run: $(VENV)/.installed
	$(BIN)/mnist-exp stage=all $(ARGS)

# Run the tests without the mark `external`. These tests start no process and open no store or
# socket. A test that uses one of these without the mark fails (tests/conftest.py).
check: $(VENV)/.installed-dev
	@$(MAKE) --jobs=3 --output-sync=target --no-print-directory lint types quick-tests

quick-tests: $(VENV)/.installed-dev
	$(PYTEST) -n 2 --dist loadgroup --fast $(USUAL) --quiet $(ARGS)

# The types are checked beside the tests, because many tests leave a core idle.
test: lint
	@$(MAKE) --jobs=2 --no-print-directory types all-tests

all-tests: $(VENV)/.installed-dev
	$(PARALLEL) $(USUAL) $(ARGS)

# Run all tests RUNS times, while BUSY busy loops load the machine. Stop at the first failed run.
test-repeat: $(VENV)/.installed-dev
	RUNS=$(RUNS) BUSY=$(BUSY) tests/repeat.sh $(PARALLEL) $(USUAL) --quiet $(ARGS)

# Run the long kill, soak and fuzz tests, and a minute of each flood. `make test` runs their short
# versions. DATA: as for bench.
test-soak: $(VENV)/.installed-dev
	$(PYTEST) -m soak $(if $(DATA),--data $(DATA)) $(ARGS)

# Run all tests of Azure, including the tests that take too long for `make test`: tests of the
# emulator, the azure workspace, the contracts and the commands.
test-azure: $(VENV)/.installed-dev
	$(PARALLEL) -m "not soak and not faults" \
		tests/workspaces/azure tests/contracts tests/commands/test_azure.py \
		tests/commands/test_tutorial_calls.py tests/checks/test_azure.py $(ARGS)

# Inject every fault into every kind of request. `make test` runs forty of these cases.
test-azure-faults: $(VENV)/.installed-dev
	$(PYTEST) -n $(WORKERS) tests/workspaces/azure/test_faults.py $(ARGS)

# Test the trainer alone, with the TensorFlow of Azure's image and with the newest TensorFlow. Both
# are downloaded.
test-compat: $(VENV)/.installed-dev
	$(BIN)/python tests/trainer/compat.py --environment build/compat $(ARGS)

# Compare our endpoint with Azure ML's inference server, which is downloaded. With ARGS=--record, write
# the answers with which `make test` compares ours.
test-parity: $(VENV)/.installed-dev
	$(BIN)/python tests/parity/parity.py --environment build/parity $(ARGS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Check both packages in one run of mypy. In two runs, mypy would analyse NumPy and MLflow twice.
types: $(VENV)/.installed-dev
	$(BIN)/mypy

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Run a sweep, and make the images of the README from its output.
images: $(VENV)/.installed-dev
	$(BIN)/python docs/images/make_images.py

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
	@echo "installing 175 packages into $(VENV): 3 GB, two to four minutes"
	$(BIN)/pip install --constraint constraints.txt --editable ".[azure]"
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "installing the packages for the tests into $(VENV)"
	$(BIN)/pip install --constraint constraints.txt --editable ".[azure,dev]"
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis

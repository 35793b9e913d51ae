# make run     set up .venv and run the whole experiment on this machine
# make test    lint, types and every test, as CI does
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
WORKERS ?= 2

.DEFAULT_GOAL := run
.PHONY: run test lint types format bench test-soak test-azure test-azure-faults test-compat clean

run: $(VENV)/.installed
	$(BIN)/mnist-exp stage=all $(ARGS)

test: lint types
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup \
		-m "not soak and not azure and not faults" $(ARGS)

# Long kill, soak and fault runs; their short forms are part of `make test`. DATA: as for bench.
test-soak: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m soak $(if $(DATA),--data $(DATA)) $(ARGS)

# What has to do with Azure: the emulator, the workspace on it, contracts, commands; also what
# takes longer than `make test` has time for.
test-azure: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -m "not soak and not faults" \
		tests/workspaces/azure tests/contracts tests/commands/test_azure.py \
		tests/commands/test_tutorial_calls.py tests/checks/test_azure.py $(ARGS)

# Every fault at every kind of request; `make test` has a seeded forty of them.
test-azure-faults: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n $(WORKERS) tests/workspaces/azure/test_faults.py $(ARGS)

# The trainer alone on the TensorFlow of Azure's image and on the newest; downloads both.
test-compat: $(VENV)/.installed-dev
	$(BIN)/python tests/trainer/compat.py --environment build/compat $(ARGS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy
	cd trainer && ../$(BIN)/mypy --strict --config-file ../pyproject.toml .

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# DATA: a folder with the MNIST files; without it the sample digits are used.
DATA ?=
bench: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks $(if $(DATA),--data $(DATA)) $(ARGS)

# A stamp that is newer than what it was made of: a second `make` starts at once.
$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
		|| { echo "error: PYTHON: must be Python 3.11 to 3.13, got $$($(PYTHON) --version 2>&1); name one with make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
		|| { rm -rf $(VENV); echo "error: venv: $(PYTHON) cannot make a virtual environment; on Debian: apt install python3-venv" >&2; exit 1; }
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[azure]"
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[azure,dev]"
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis

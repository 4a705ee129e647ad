# One command each; every one does its own set-up. `make help` lists them.
PYTHON ?= python3
VENV := .venv
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# Each command of the tests is a process of its own: without bytecode it takes twice as long to start.
unexport PYTHONDONTWRITEBYTECODE
BIN := $(VENV)/bin
# Tests on hosts wait for them half of the time: two workers for each core use it.
WORKERS ?= $(shell echo $$(( $$(nproc) * 2 )))
EVERYTHING := -n $(WORKERS) --dist worksteal --ignore tests/bench
STAMP := $(VENV)/installed

.PHONY: help install system demo test test-all durations coverage images check lint lint-python lint-ansible unit gates serve docs bench chaos clean
.DEFAULT_GOAL := help

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP) ## Install Fraisier and its tools into .venv

$(STAMP): pyproject.toml constraints.txt
	@scripts/system-packages base
	[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

system:
	@scripts/system-packages base lab services

demo: system install ## Deploy the example to a real systemd host here, upgrade it, break it
	@PATH="$(CURDIR)/$(BIN):$$PATH" scripts/demo

# Everything a change usually breaks; CI runs it. `slow` tests wait for test-all.
test: system install ## Run the tests that CI runs, on real hosts (20 minutes)
	@$(MAKE) --no-print-directory -j3 lint images
	$(BIN)/pytest $(EVERYTHING) -m "not slow"

test-all: system install ## Run every test: also gates, scenarios, long fuzzing, a chaos round
	@$(MAKE) --no-print-directory -j3 lint images
	$(BIN)/pytest $(EVERYTHING)

durations: system install images ## Measure what each test file costs, one test at a time
	$(BIN)/pytest -q --ignore tests/bench -m "not slow" --durations-table tests/durations.md

coverage: system install images ## Measure which lines all tests run, in every process
	scripts/coverage $(EVERYTHING)

images: system install
	@cd tests && ../$(BIN)/python -m support.images

check: install lint unit ## Lint, type-check and run the unit tests (a few minutes)

lint: lint-python lint-ansible

lint-python: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache > /dev/null || $(BIN)/lint-imports --no-cache
	$(BIN)/yamllint --strict .

lint-ansible: install
	$(BIN)/python scripts/lint_ansible.py --offline --strict -q

unit: install
	$(BIN)/pytest -q -n auto -m "not slow" tests/unit

gates: install ## Check the collection as Galaxy and the Ansible project do
	$(BIN)/pytest tests/integration/test_collection_gates.py

serve: install
	@$(BIN)/fraisier serve

docs: install ## Write the generated parts of the documentation, and check all of it
	$(BIN)/python scripts/generate_docs.py
	$(BIN)/pytest -q -n auto tests/unit/docs

bench: system install ## Measure a deployment beside scripts, tasks and pyinfra; events, streams and lists
	$(BIN)/python tests/bench/run.py
	$(BIN)/python tests/bench/events.py
	$(BIN)/python tests/bench/streams.py
	$(BIN)/python tests/bench/lists.py

chaos: system install ## Kill it at every failpoint (KILLS=500: so often; CANCELS=100; FAULTS=20: fail what is around it)
	$(BIN)/python tests/chaos/run.py $(KILLS) $(if $(CANCELS),--cancels $(CANCELS)) $(if $(FAULTS),--faults $(FAULTS))

clean: ## Remove the virtual environment, the caches and what tests left
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .ansible test-failures coverage

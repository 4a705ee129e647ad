# One command each; every one does its own set-up. `make help` lists them.
PYTHON ?= python3
VENV := .venv
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# Each command of the tests is a process of its own: without bytecode it takes twice as long to start.
unexport PYTHONDONTWRITEBYTECODE
BIN := $(VENV)/bin
STAMP := $(VENV)/installed

.PHONY: help install system demo test check lint unit gates serve docs bench chaos clean
.DEFAULT_GOAL := help

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP) ## Install Fraisier and its tools into .venv

$(STAMP): pyproject.toml constraints.txt
	@scripts/system-packages base
	[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test]'
	@touch $@

system:
	@scripts/system-packages base lab services

demo: system install ## Deploy the example to a real systemd host here, upgrade it, break it
	@PATH="$(CURDIR)/$(BIN):$$PATH" scripts/demo

test: system check ## Run every test, on real hosts
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder --durations 15 --ignore tests/bench --ignore tests/unit

check: install lint unit ## Lint, type-check and run the unit tests (a few minutes)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache > /dev/null || $(BIN)/lint-imports --no-cache
	$(BIN)/yamllint --strict .
	$(BIN)/ansible-lint --offline --strict -q

unit: install
	$(BIN)/pytest -q -n auto tests/unit

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

chaos: system install ## Kill it at every failpoint (KILLS=500: so often; CANCELS=100: cancel so often)
	$(BIN)/python tests/chaos/run.py $(KILLS) $(if $(CANCELS),--cancels $(CANCELS))

clean: ## Remove the virtual environment and the caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .ansible

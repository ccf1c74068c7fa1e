# One door for everything: people and CI use the same targets.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo $$p; exit; }; done)
BIN := .venv/bin
AGENTS ?= moderately.examples.research moderately.examples.csv_profile
WORKERS ?= 2

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' Makefile | expand -t 20

demo: .venv/done ## Run the main job and show it
	@$(BIN)/moderately demo $(ARGS)

serve: .venv/done ## Serve agents: AGENTS="agents.py" ARGS="--port 8787"
	@$(BIN)/moderately serve $(AGENTS) $(ARGS)

check: .venv/done ## Format, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/python tools/generate_sync.py --check

test: .venv/done .envs/vendor/done .envs/schemathesis/done ## Run the tests
	$(BIN)/pytest -n $(WORKERS) --dist loadscope $(ARGS)

chaos: .venv/done ## Kill a service a hundred times, and befall a cluster with a hundred faults
	CHAOS_RUNS=1000 CHAOS_KILLS=100 CLUSTER_RUNS=1000 CLUSTER_FAULTS=100 \
		$(BIN)/pytest tests/chaos $(ARGS)

BENCH_ENVS := .envs/dbos/done .envs/celery/done .envs/sdk-peers/done
bench: .venv/done $(BENCH_ENVS) ## Measure speed and memory, beside a floor: ARGS="--quick"
	$(BIN)/python -m bench $(ARGS)

format: .venv/done ## Format, and mend what can be mended by rule
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

sync: .venv/done ## Make the synchronous client of the asynchronous one
	$(BIN)/python tools/generate_sync.py

clean: ## Remove environments, caches and results
	rm -rf .venv .envs out build .mypy_cache .ruff_cache .pytest_cache .hypothesis

.venv/done: requirements/dev.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer, with venv, is needed:" \
		"set PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "setting up .venv with $(PYTHON) ..."
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

.envs/%/done: requirements/%.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer, with venv, is needed:" \
		"set PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "setting up .envs/$* with $(PYTHON) ..."
	@$(PYTHON) -m venv --clear .envs/$*
	@.envs/$*/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

.PHONY: help demo serve check test chaos bench format sync clean

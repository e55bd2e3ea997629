# Sextant. Two commands: `make serve` and `make test`. Nothing has to be installed before, but Python and make.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
LOCK := requirements/cpu.txt
export SEXTANT_HOME ?= $(CURDIR)/.sextant
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# The first of these that is Python 3.11 or 3.12. PYTHON=... chooses another.
CANDIDATES := $(PYTHON) python3.11 python3.12 python3 python
FIND_PYTHON = for p in $(CANDIDATES); do \
	if "$$p" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null; then echo "$$p"; exit 0; fi; done; \
	echo "Sextant needs Python 3.11 or 3.12; install one, or name it: make PYTHON=/path/to/python3.12 ..." >&2; exit 1

.PHONY: help setup serve ingest eval router cache-judge cache-simulation test chaos bench bench-cache bench-guard bench-ingest bench-prefix bench-search lint format config-reference lock clean clean-data

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  settings: SEXTANT_API_KEY, SEXTANT_PORT (8000), SEXTANT_HOME (.sextant), DOCS=dir, MODEL=hub-id-or-dir, CONFIG=serve-file"

serve: setup ## run the whole stack here (DOCS=dir, MODEL=hub-id-or-dir, CONFIG=file); Ctrl-C ends it
	@exec $(BIN)/python -m deployments.laptop $(if $(DOCS),--docs '$(DOCS)') $(if $(MODEL),--model '$(MODEL)') $(if $(CONFIG),--config '$(CONFIG)')

test: setup ## unit, contract and end-to-end tests (the last start the real stack)
	@exec $(BIN)/python -m pytest $(TESTS)

setup: $(STAMP) ## what both need: .venv, packages, models
	@$(BIN)/python -m jobs.fetch_models --quiet $(if $(MODEL),--model '$(MODEL)')

$(STAMP): pyproject.toml $(LOCK)
	@python="$$($(FIND_PYTHON))"; \
	if ! $(BIN)/python -c '' 2>/dev/null; then \
		echo "Creating $(VENV) with $$($$python --version)"; \
		rm -rf $(VENV); "$$python" -m venv $(VENV) || { echo "Your Python has no venv module (Debian: apt install python3-venv)." >&2; exit 1; }; \
	fi
	@echo "Installing packages (about 2 minutes the first time)"
	@$(BIN)/python requirements/install.py $(LOCK)
	@touch $(STAMP)

chaos: setup ## what happens when replicas and providers die under load (about 20 minutes)
	@exec $(BIN)/python -m pytest tests/chaos -s $(ARGS)

bench: setup .bench-venv/.installed ## the gateway beside LiteLLM's and MLflow's (about 30 minutes)
	@exec $(BIN)/python -m benchmarks.gateway $(ARGS)

bench-cache: setup .bench-venv/.installed ## the cache beside a no-op ingress, LiteLLM's and GPTCache's (about 20 minutes)
	@exec $(BIN)/python -m benchmarks.cache $(ARGS)

bench-guard: setup .bench-venv/.installed .bench-venv/llm-guard/.installed ## what the guard adds, beside Presidio and LLM Guard (about 15 minutes)
	@exec $(BIN)/python -m benchmarks.guard $(ARGS)

bench-ingest: setup .bench-venv/.ingest-installed ## ingestion beside the embedder alone, LangChain and LlamaIndex
	@exec $(BIN)/python -m benchmarks.ingest $(ARGS)

bench-search: setup ## searches over 100,000 chunks in the embedded engine (about 6 minutes)
	@exec $(BIN)/python -m benchmarks.search $(ARGS)

bench-prefix: setup ## two replicas' prefix caches, by turns and by prefix (about 8 minutes)
	@exec $(BIN)/python -m benchmarks.prefix $(ARGS)

.bench-venv/.installed: benchmarks/requirements.txt
	@$(BIN)/python -m venv .bench-venv
	@.bench-venv/bin/python -m pip install --quiet --requirement $<
	@touch $@

.bench-venv/.ingest-installed: benchmarks/ingest/requirements.txt .bench-venv/.installed
	@.bench-venv/bin/python -m pip install --quiet --requirement $<
	@touch $@

.bench-venv/llm-guard/.installed: benchmarks/guard/requirements.txt .bench-venv/.installed
	@$(BIN)/python -m venv .bench-venv/llm-guard
	@pip=".bench-venv/llm-guard/bin/python -m pip install --quiet --requirement $<"; \
	$$pip || $$pip --extra-index-url https://download.pytorch.org/whl/cpu
	@touch $@

lint: $(STAMP) ## ruff and mypy, strict
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(STAMP) ## put the code into shape
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

config-reference: $(STAMP) ## write docs/configuration.md from the models
	@$(BIN)/python -m app.config.reference > docs/configuration.md

ingest: $(STAMP) ## ingest DOCS=dir into the running stack, as a Ray job
	@exec $(BIN)/python -m deployments.submit jobs.ingest $(DOCS)

eval: $(STAMP) ## run evals/smoke.jsonl against the running stack, as a Ray job
	@exec $(BIN)/python -m deployments.submit jobs.evaluate $(ARGS)

router: $(STAMP) ## train the router of a cost-tiered alias, as a Ray job (ARGS=--help)
	@exec $(BIN)/python -m deployments.submit jobs.train_router $(ARGS)

cache-judge: setup ## train the judge of the semantic cache, and report on the test half (ARGS=--help)
	@exec $(BIN)/python -m jobs.train_cache_judge $(ARGS)

cache-simulation: setup ## 20,000 requests through the semantic tier: is its error under its bound? (ARGS=--help)
	@exec $(BIN)/python -m jobs.simulate_cache $(ARGS)

lock: ## choose new versions of all packages and write requirements/
	@python="$$($(FIND_PYTHON))"; "$$python" requirements/lock.py

# Nothing is removed under a running stack, which holds this lock; none starts while the recipe's shell has it.
ALONE = if [ -e "$$SEXTANT_HOME/lock" ]; then exec 9< "$$SEXTANT_HOME/lock"; flock -n 9 || { \
	echo "A stack runs on $$SEXTANT_HOME; stop it first. Nothing was removed." >&2; exit 1; }; fi

clean: ## remove .venv, models and all else that was fetched or made; stored data and secrets stay
	@$(ALONE); \
	rm -rf $(VENV) .bench-venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis; \
	for name in models ray run logs; do rm -rf "$$SEXTANT_HOME/$$name"; done; \
	echo "Stored data and secrets are still in $$SEXTANT_HOME."

# By their names: SEXTANT_HOME may be a folder with other things in it. A cluster's secrets (.sextant/cluster) stay,
# since they cannot be made again.
DATA := sextant.db sextant.db-shm sextant.db-wal sextant.db.lock ledger files qdrant valkey mlflow ingest router \
	api_key admin_key secret ray_token
clean-data: ## remove what the stack has stored: accounts, documents, traces, caches, keys (not a cluster's secrets)
	@$(ALONE); \
	for name in $(DATA); do rm -rf "$$SEXTANT_HOME/$$name"; done

# Needs Python >= 3.11 and make. Everything else is installed into .venv; data is kept in .data.

PYTHON ?= $(shell for each in python3 python3.13 python3.12 python3.11 python3.14; do \
	$$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$each && break; done)
BIN := .venv/bin
WORKERS ?= 3
CONTAINER_TESTS ?= tests/integration tests/deploy
OWN := $(notdir $(wildcard services/*)) common gateway stack testing stripe-sandbox linkedin-sandbox
LOCK = $(BIN)/uv pip compile --quiet --python-version 3.11 --universal --generate-hashes --no-header \
	--no-emit-index-url $(foreach name,$(OWN),--no-emit-package cv-$(name)) $(if $(UPGRADE),--upgrade)

# Where the machine says otherwise: what is compiled once need not be compiled again, process by process.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help prepare run test test-containers test-alone chaos lint logs reset requirements licences

help: ## list what make can do
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 26

prepare:
	@test -n "$(PYTHON)" || { echo '! Python 3.11 or newer is needed (PYTHON=/path/to/it)' >&2; exit 1; }
	@$(PYTHON) dev/prepare.py

run: prepare ## start the whole system (PORT=8000, SANDBOX_PORT=8010); Ctrl-C stops it
	@exec $(BIN)/python -m cv_stack run

test: lint ## check and test everything, on the machine itself (ARGS: more for pytest)
	@$(PYTHON) dev/prepare.py --browser
	@exec $(BIN)/pytest --numprocesses $(WORKERS) --dist loadscope --no-loadscope-reorder $(ARGS)

test-containers: prepare ## the journeys again, and what only containers show; needs Docker
	@CV_DEPLOYMENT=containers exec $(BIN)/pytest $(CONTAINER_TESTS) $(ARGS)

test-alone: prepare ## each service's tests, where nothing of the others is installed (PARTS: which)
	@$(PYTHON) -m dev.alone $(PARTS)

chaos: prepare ## let everything fail for a while, and look for what is lost (MINUTES=10, SEED=, VISITORS=4)
	@exec $(BIN)/python -m dev.chaos

lint: prepare ## style, types, import rules, licences
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check . || { echo '! Type: .venv/bin/ruff format'; exit 1; }
	@$(BIN)/mypy --no-error-summary .
	@report=$$($(BIN)/lint-imports --no-logo 2>&1) || { echo "$$report"; exit 1; }
	@$(BIN)/python dev/licences.py

logs: ## follow what the running system writes
	@ls .data/logs/*.log >/dev/null 2>&1 || { echo '! nothing has run yet; type: make run' >&2; exit 1; }
	@exec tail -n 50 -F .data/logs/*.log

reset: prepare ## forget all data of `make run`
	@exec $(BIN)/python -m cv_stack reset

requirements: prepare ## lock the packages again (UPGRADE=1: to their newest versions)
	@$(LOCK) libs/*/pyproject.toml services/*/pyproject.toml gateway/pyproject.toml dev/*/pyproject.toml \
		--all-extras --group pyproject.toml:dev --output-file requirements/dev.txt
	@echo uv | $(LOCK) - --constraints requirements/dev.txt --output-file requirements/uv.txt
	@echo hatchling | $(LOCK) - --constraints requirements/dev.txt --output-file requirements/build.txt
	@for part in services/* gateway dev/*_sandbox; do \
		$(LOCK) $$part/pyproject.toml --constraints requirements/dev.txt \
			--output-file requirements/$$(basename $$part | tr _ -).txt || exit 1; \
	done

licences: prepare ## list the licences of all packages in docs/licences.md
	@$(BIN)/python dev/licences.py --write

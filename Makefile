# Needs Python >= 3.11 and make. Packages are installed into .venv; data is stored in .data.

PYTHON ?= $(shell for each in python3 python3.13 python3.12 python3.11 python3.14; do \
	$$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$each && break; done)
BIN := .venv/bin
WORKERS ?= 3
CONTAINER_TESTS ?= tests/integration tests/deploy
PYTEST = exec $(BIN)/pytest --numprocesses $(WORKERS) --dist loadscope --no-loadscope-reorder
PROJECTS := $(wildcard libs/*/pyproject.toml services/*/pyproject.toml gateway/pyproject.toml dev/*/pyproject.toml)
IMAGES := $(patsubst %/Dockerfile,%,$(wildcard services/*/Dockerfile gateway/Dockerfile dev/*/Dockerfile))
package_name = $(subst _,-,$(notdir $(1)))
LOCK = $(BIN)/uv pip compile --quiet --python-version 3.11 --universal --generate-hashes --no-header --no-emit-index-url \
	$(foreach project,$(PROJECTS:%/pyproject.toml=%),--no-emit-package cv-$(call package_name,$(project))) \
	$(if $(UPGRADE),--upgrade)
LOCK_SUBSET = $(LOCK) --constraints requirements/dev.txt

# Write .pyc files even if the environment forbids it: many processes import the same modules.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help prepare prepare-dev run test test-operations test-containers test-alone chaos lint logs reset requirements \
	licenses docs

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 26

prepare-dev: ## install the packages of running, tests and checks into .venv
prepare prepare-dev:
	@test -n "$(PYTHON)" || { echo '! Python 3.11 or newer is needed (PYTHON=/path/to/it)' >&2; exit 1; }
	@$(PYTHON) dev/prepare.py $(if $(filter prepare-dev,$@),--dev)

run: prepare ## start the whole system (PORT=8000, SANDBOX_PORT=8010, settings from .env); Ctrl-C stops it
	@exec $(BIN)/python -m cv_stack run

test: lint ## lint and run the tests (ARGS: more arguments for pytest)
	@$(PYTHON) dev/prepare.py --dev --browser
	@$(PYTEST) $(ARGS)

test-operations: prepare-dev ## run the slow tests: clusters, restores, storms, memory, outages, fuzzing
	@$(PYTEST) -m operations $(ARGS)

test-containers: prepare-dev ## run the integration tests on containers; needs Docker
	@CV_DEPLOYMENT=containers exec $(BIN)/pytest -m '' $(strip $(CONTAINER_TESTS)) $(ARGS)

test-alone: prepare-dev ## test each service in an environment with only its own dependencies (PACKAGES: which)
	@$(PYTHON) -m dev.alone $(strip $(PACKAGES))

chaos: prepare-dev ## inject faults under load and check that nothing is lost (MINUTES=10, SEED=, VISITORS=4)
	@exec $(BIN)/python -m dev.chaos

lint: prepare-dev ## check style, types, import rules, licenses, generated pages
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check . || { echo '! Type: .venv/bin/ruff format'; exit 1; }
	@$(BIN)/mypy --no-error-summary .
	@$(BIN)/python -m dev.imports
	@$(BIN)/python -m dev.licenses
	@$(BIN)/python -m dev.configuration
	@$(BIN)/python -m dev.events
	@$(BIN)/python -m dev.derived

logs: ## follow the log files of the running system
	@ls .data/logs/*.log >/dev/null 2>&1 || { echo '! nothing has run yet; type: make run' >&2; exit 1; }
	@exec tail -n 50 -F .data/logs/*.log

reset: prepare ## delete all data of `make run`
	@exec $(BIN)/python -m cv_stack reset

requirements: prepare ## lock the packages again (UPGRADE=1: to their newest versions)
	@$(LOCK) $(PROJECTS) --all-extras --group pyproject.toml:dev --output-file requirements/dev.txt
	@$(LOCK_SUBSET) $(PROJECTS) --group pyproject.toml:run --output-file requirements/run.txt
	@echo uv | $(LOCK_SUBSET) - --output-file requirements/uv.txt
	@echo hatchling | $(LOCK_SUBSET) - --output-file requirements/build.txt
	@$(foreach image,$(IMAGES),$(LOCK_SUBSET) $(image)/pyproject.toml \
		--output-file requirements/$(call package_name,$(image)).txt &&) true

licenses: prepare-dev ## write docs/licenses.md: the license of each package
	@$(BIN)/python -m dev.licenses --write

docs: prepare-dev ## write the pages and lists that follow from the code
	@$(BIN)/python -m dev.configuration --write
	@$(BIN)/python -m dev.events --write
	@$(BIN)/python -m dev.derived --write

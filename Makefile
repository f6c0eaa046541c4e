# Everything a person or CI does with this repository. `make` alone prints the targets.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help setup run test unit bench lint format sure lock

BIN := .venv/bin
# What is compiled is kept (__pycache__, which git ignores): dozens of processes would compile the same modules otherwise.
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest
# One option set for both locks: hashes, exact versions, and nothing that names where packages came from.
COMPILE := $(BIN)/pip-compile --quiet --upgrade --generate-hashes --allow-unsafe --strip-extras --no-annotate --no-header \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options

help: ## Print this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 12

setup: ## Create .venv and install what Drydock needs to run, at the locked versions
	@scripts/setup runtime

run: setup ## Serve on http://localhost:8080 (DRYDOCK_PORT and DRYDOCK_DATA change port and data folder)
	@exec $(BIN)/drydock serve

test: ## Install what the tests need and run all of them, with real servers
	@scripts/test-setup
	@$(PYTEST) tests/unit tests/contract --numprocesses auto --dist worksteal
	@exec $(PYTEST) tests/integration tests/e2e tests/stress --numprocesses 2 --dist loadscope

unit: ## Run the unit tests only: no servers, no network, seconds
	@scripts/setup dev
	@exec $(PYTEST) tests/unit --numprocesses auto --dist worksteal

bench: ## Print push and pull figures beside Debian's docker-registry
	@scripts/test-setup
	@$(BIN)/python -m tests.bench

lint: ## Check format, lint, types, import contracts and tracked files
	@scripts/setup dev
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(PYTEST) tests/unit/project

format: ## Format the sources and repair what ruff can repair
	@scripts/setup dev
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format .

sure: lint test ## Everything CI checks

lock: ## Resolve the newest allowed versions into the lock files, through the indexes pip is configured for
	@scripts/setup dev
	@$(COMPILE) --build-deps-for editable --output-file requirements.lock pyproject.toml
	@$(COMPILE) --build-deps-for editable --extra dev --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml

# The verbs of this repository. Needs Python >= 3.11 with pip and venv; `make lock` alone needs uv, `make contract-octokit` and `make system` npm.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
# Extra words for pytest: make test PYTEST_ARGS='-k rollback'
PYTEST_ARGS ?=
# How many processes share the tests.
WORKERS ?= auto
NOT_HERE := not system and not octokit

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup run demo test check format lint types imports coverage contract contract-octokit record system bench bench-quick bench-docs docs lock clean

help: ## List the verbs
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "  make %-17s %s\n", $$1, $$2 }'

# Two stamps, remade when a lock or the project's description changes: what the service needs, and what its developers
# need beside it. The build back end is locked too, and used without isolation, so that nothing unpinned is fetched.
# The developers' lock holds all of the service's, so whoever has it has both: `make run` beside tests installs nothing,
# for a project that pip installs again is gone for a moment, and what is started then fails.
$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or later is needed; choose one with make PYTHON=...") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements.txt requirements-build.txt pyproject.toml | $(VENV)/bin/python
	$(PIP) --require-hashes -r requirements.txt -r requirements-build.txt
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.txt pyproject.toml | $(VENV)/bin/python
	$(PIP) --require-hashes -r requirements-dev.txt
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $(VENV)/.runtime $@

setup: $(VENV)/.dev ## Make .venv with everything a developer needs

# A secret of your own wins; otherwise one is made once and kept.
run: $(VENV)/.runtime ## Set up and serve on port 8080; makes a webhook secret if there is none
	@if [ -n "$$WEBHOOK_SECRET$$WEBHOOK_SECRET_FILE" ]; then \
	  echo "Using the webhook secret of your environment."; \
	else \
	  if [ ! -s .webhook-secret ]; then \
	    (umask 077 && $(BIN)/python -c 'import secrets; print(secrets.token_hex(32))' > .webhook-secret) || exit 1; \
	    echo "Made a webhook secret and wrote it to .webhook-secret (git ignores it)."; \
	  fi; \
	  echo "GitHub signs with the same secret: set it as the webhook's secret, content type application/json, URL"; \
	  echo "  https://WHERE-THIS-IS-REACHED/webhooks/github"; \
	  echo "and the events Deployments, Deployment statuses, Pull requests, Pushes, Issues. To read it: cat .webhook-secret"; \
	  export WEBHOOK_SECRET_FILE=.webhook-secret; \
	fi; \
	exec $(BIN)/dora serve

demo: $(VENV)/.runtime ## Show a made-up organisation's week on a service of its own
	@$(BIN)/dora demo

test: $(VENV)/.dev ## Set up and run the tests
	$(BIN)/python -m pytest -n $(WORKERS) -m '$(NOT_HERE)' $(PYTEST_ARGS)

check: lint types imports coverage ## Everything that needs no other program: format, lint, types, imports, tests, locks, docs
	@echo "make check: all good"

lint: $(VENV)/.dev ## Check format and lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

format: $(VENV)/.dev ## Format, and mend what the linter can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

types: $(VENV)/.dev ## Check types
	$(BIN)/mypy

imports: $(VENV)/.dev ## Check that imports point one way
	$(BIN)/lint-imports

# The tests of locks and documents (tests/unit/project) are among these.
coverage: $(VENV)/.dev ## Run the tests and ask for every branch of the domain
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n $(WORKERS) -m '$(NOT_HERE)' $(PYTEST_ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --include='src/dora/domain/*' --fail-under=100

contract: $(VENV)/.dev ## Run the contract suites of the ports
	$(BIN)/python -m pytest -n $(WORKERS) -m '$(NOT_HERE)' tests/contract $(PYTEST_ARGS)

contract-octokit: $(VENV)/.dev ## Send GitHub's published examples, checked against its published schemas (needs npm)
	npm ci --prefix tests/contract/octokit --ignore-scripts --no-audit --no-fund
	$(BIN)/python -m pytest -n $(WORKERS) -m octokit $(PYTEST_ARGS)

# Compares the recordings with the live API; WRITE=--write records them anew. Needs GITHUB_TOKEN and BINDINGS, a file.
record: $(VENV)/.dev ## Compare the recordings of GitHub's API with the live one (needs GITHUB_TOKEN)
	$(BIN)/python -m tests.contract.recordings.record --bindings "$(BINDINGS)" $(WRITE)

system: $(VENV)/.dev ## Run what starts processes: the service, promtool, Redis, an S3, a browser (needs these programs, and npm)
	npm ci --prefix tests/system/browser --ignore-scripts --no-audit --no-fund
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m system $(PYTEST_ARGS)

# docs/performance.md says what the figures mean. Some: .venv/bin/python -m benchmarks NAME...
bench: $(VENV)/.dev ## Measure, as ratios against a baseline in the same run (some twenty minutes)
	$(BIN)/python -m benchmarks

bench-quick: $(VENV)/.dev ## Run every benchmark once, in small: that they run, and no figure
	$(BIN)/python -m benchmarks --quick

bench-docs: $(VENV)/.dev ## Fill docs/performance.md with what `make bench` measured, and draw its pictures
	$(BIN)/python -m benchmarks.document

docs: $(VENV)/.dev ## Check the documents: links, settings, metrics, the embedding program
	$(BIN)/python -m pytest tests/unit/project $(PYTEST_ARGS)

# The developers' lock first: it holds everything, and the other two take its versions.
# `make lock UPGRADE=--upgrade` takes the newest of everything.
UV ?= $(if $(wildcard $(BIN)/uv),$(BIN)/uv,uv)
COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command 'make lock' $(UPGRADE)
BACK_END := $(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")'
lock: ## Write the lock files anew (needs uv)
	$(BACK_END) | $(COMPILE) pyproject.toml --group dev --all-extras - --output-file requirements-dev.txt
	$(COMPILE) --constraints requirements-dev.txt pyproject.toml --output-file requirements.txt
	$(BACK_END) | $(COMPILE) --constraints requirements-dev.txt - --output-file requirements-build.txt
	for extra in $$($(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"].get("optional-dependencies", ()))'); do \
	  $(COMPILE) --constraints requirements-dev.txt pyproject.toml --extra "$$extra" --output-file "requirements-$$extra.txt" || exit 1; \
	done

clean: ## Remove what tools have left; keeps .venv and .webhook-secret
	rm -rf .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .schemathesis dist build

# The commands of the project; `make` alone lists them.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

BIN := .venv/bin
UV := $(shell command -v uv 2>/dev/null)
# The newest Python that Airflow 3.3 and the lock are made for; PYTHON=... chooses another one.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3 python; do \
	command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
	&& command -v $$p && break; done)
READY := .venv/.ready
# Left alone by the commands below: bytecode of other checkouts, the user's packages, settings of pip.
export PYTHONNOUSERSITE := 1
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV

.PHONY: help setup env demo up cluster test e2e chaos upgrade bench screenshots recording docs lint format types audit sbom lock clean

help: ## list the commands
	@grep -hE '^[a-z0-9-]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/^([a-z0-9-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

setup: $(READY) ## install everything into .venv; the other commands do it by themselves

# A stamp, removed first and written last: an installation without it was interrupted and is begun anew, one with it is
# brought up to date where it is.
$(READY): requirements-dev.lock pyproject.toml
	@python="$(PYTHON)"; [ -n "$$python" ] || \
	  { echo "No Python 3.11, 3.12 or 3.13 was found. Install one, or name it: make setup PYTHON=/path/to/python3.11" >&2; exit 2; }; \
	"$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "$$python is not Python 3.11, 3.12 or 3.13. Name one: make setup PYTHON=/path/to/python3.11" >&2; exit 2; }; \
	[ -f $(READY) ] || rm -rf .venv; \
	rm -f $(READY); \
	echo "Installing into .venv, which takes minutes the first time ..." >&2; \
	if [ -n "$(UV)" ]; then \
	  [ -d .venv ] || "$(UV)" venv --quiet --python "$$python" .venv; \
	  "$(UV)" pip sync --quiet --python $(BIN)/python --compile-bytecode --require-hashes requirements-dev.lock; \
	  "$(UV)" pip install --quiet --python $(BIN)/python --no-build-isolation --no-deps -e .; \
	else \
	  $(BIN)/python -m pip --version >/dev/null 2>&1 || { rm -rf .venv; "$$python" -m venv .venv; }; \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.lock; \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .; \
	fi
	@touch $(READY)

env: $(READY) ## write what is missing into .env, with generated secrets
	@$(BIN)/python scripts/make_env.py

demo: $(READY) ## run the main job against Google's stand-in; EXIT=1 ends by itself
	@$(BIN)/python -m gmail_embedded.demo $(if $(EXIT),--exit)

up: $(READY) ## run Airflow here against real Google, from .env; PORT=8080
	@$(BIN)/python -m gmail_embedded up $(if $(PORT),--port $(PORT))

cluster: $(READY) ## run the services of docker-compose.yaml here; WORKERS=2, PORT=, SANDBOX=1 for the demo's story
	@$(BIN)/python -m gmail_embedded cluster $(if $(WORKERS),--workers $(WORKERS)) $(if $(PORT),--port $(PORT)) \
	  $(if $(SANDBOX),--sandbox) $(if $(EXIT),--exit)

test: $(READY) ## run the tests; ARGS="-k name" chooses
	@$(BIN)/python -m pytest -m "not e2e and not chaos" $(ARGS)

e2e: $(READY) ## run the tests that drive real Airflow processes and a browser
	@$(BIN)/python -m pytest -m e2e $(ARGS)

chaos: $(READY) ## let faults strike, and check what must be true after each; ARGS="-k name" chooses
	@PYTHONPATH=tests $(BIN)/python -m chaos $(ARGS)

upgrade: $(READY) ## take over a database of the oldest Airflow 3.3; needs PyPI, takes minutes
	@PYTHONPATH=tests $(BIN)/python -m upgrade

bench: $(READY) ## measure; BENCH=grants chooses one
	@PYTHONPATH=tests $(BIN)/python -m bench $(BENCH)

screenshots: $(READY) ## take the pictures in docs/images anew; needs Chromium
	@PYTHONPATH=tests $(BIN)/python scripts/screenshots.py

recording: $(READY) ## record the demo as docs/images/demo.svg
	@$(BIN)/python scripts/record_demo.py

docs: $(READY) ## bring the generated pages up to date and build the site into build/site
	@$(BIN)/python scripts/generate_docs.py
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

lint: $(READY) ## check style and common mistakes
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: $(READY) ## put the code into the project's format
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

types: $(READY) ## check the types
	@$(BIN)/mypy

AUDIT := .run/audit
$(AUDIT)/.ready: requirements-audit.lock
	@"$(PYTHON)" -m venv --clear $(AUDIT)
	@$(AUDIT)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-audit.lock
	@touch $@

sbom: $(AUDIT)/.ready ## write what the product is built on into build/sbom.json, in CycloneDX
	@mkdir -p build
	@$(AUDIT)/bin/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --spec-version 1.6 \
	  --output-reproducible --of JSON -o build/sbom.json

audit: sbom ## look for common mistakes (bandit) and, where it can be reached, for known holes (pip-audit)
	@$(AUDIT)/bin/bandit --quiet --severity-level medium --recursive include dags plugins scripts
	@$(AUDIT)/bin/pip-audit --requirement requirements.lock --disable-pip --require-hashes --progress-spinner off

lock: ## resolve requirements*.txt anew; needs uv
	@[ -n "$(UV)" ] || { echo "make lock needs uv: https://docs.astral.sh/uv/" >&2; exit 2; }
	@"$(UV)" pip compile --quiet --universal --python-version 3.11 --generate-hashes -o requirements.lock requirements.txt
	@for kind in dev kubernetes; do \
	  "$(UV)" pip compile --quiet --universal --python-version 3.11 --generate-hashes -c requirements.lock \
	    -o requirements-$$kind.lock requirements-$$kind.txt; \
	done
	@"$(UV)" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  -o requirements-audit.lock requirements-audit.txt

clean: ## remove what was made here: .venv, .run and caches; .env stays
	@rm -rf .venv .run .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
	@find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

# Commands of the project; `make` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

BIN := .venv/bin
UV := $(shell command -v uv 2>/dev/null)
# A Python that Airflow 3.3 and the lock support; PYTHON=... selects another one.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3 python; do \
	command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
	&& command -v $$p && break; done)
READY := .venv/.ready
# Isolate the commands from user packages and from the environment of other checkouts.
export PYTHONNOUSERSITE := 1
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV

.PHONY: help setup env demo up cli cluster test e2e programs chaos upgrade compat image helm-check bench screenshots recording docs lint format types wheel audit sbom lock clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(READY) ## install everything into .venv; the other commands do this automatically

# A stamp file, removed first and written last: without it the installation was interrupted and starts again, with it the
# installation is updated in place.
$(READY): requirements-dev.lock pyproject.toml
	@python="$(PYTHON)"; [ -n "$$python" ] || \
	  { echo "Python 3.11, 3.12 or 3.13 was not found. Install one, or set its path: make setup PYTHON=/path/to/python3.11" >&2; exit 2; }; \
	"$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "$$python is not Python 3.11, 3.12 or 3.13. Set another path: make setup PYTHON=/path/to/python3.11" >&2; exit 2; }; \
	[ -f $(READY) ] || rm -rf .venv; \
	rm -f $(READY); \
	echo "Installing into .venv; the first time takes minutes ..." >&2; \
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

env: $(READY) ## create or complete .env, with generated secrets
	@$(BIN)/python scripts/make_env.py

demo: $(READY) ## run everything against a stand-in for Google; EXIT=1 exits at the end
	@$(BIN)/python -m gmail_embedded.demo $(if $(EXIT),--exit)

up: $(READY) ## run Airflow on this machine against Google, configured by .env; PORT=8080
	@$(BIN)/python -m gmail_embedded up $(if $(PORT),--port $(PORT))

cli: $(READY) ## run gmail-warmup against the installation of make demo or make up; ARGS="mailboxes list"
	@$(BIN)/python -m gmail_embedded cli $(if $(ARGS),$(ARGS),--help)

cluster: $(READY) ## run the services of docker-compose.yaml as processes; WORKERS=2, PORT=, SANDBOX=1 for the stand-in, EXIT=1
	@$(BIN)/python -m gmail_embedded cluster $(if $(WORKERS),--workers $(WORKERS)) $(if $(PORT),--port $(PORT)) \
	  $(if $(SANDBOX),--sandbox) $(if $(EXIT),--exit)

test: $(READY) ## run the tests, in parallel; ARGS="-k name" chooses some, ARGS=-n0 runs one at a time
	@$(BIN)/python -m pytest -m "not e2e and not chaos" -n auto --dist=loadfile --durations=10 $(ARGS)

e2e: $(READY) ## run the tests that need Airflow's processes, a browser, Redis, PgBouncer and Prometheus
	@$(BIN)/python tests/support/system_programs.py --check >/dev/null
	@$(BIN)/python -m pytest -m e2e --durations=10 $(ARGS)

programs: ## list the packages that make e2e needs and that are not installed
	@"$(PYTHON)" tests/support/system_programs.py

chaos: $(READY) ## run the fault tests; ARGS="-k name" selects
	@PYTHONPATH=tests $(BIN)/python -m chaos $(ARGS)

upgrade: $(READY) ## test the upgrade from Airflow 3.3.0; needs PyPI, takes minutes
	@PYTHONPATH=tests $(BIN)/python -m upgrade

compat: $(READY) ## run the package on every supported Airflow and Python; needs PyPI, takes minutes per combination
	@PYTHONPATH=tests $(BIN)/python -m compat

image: $(READY) ## build the image, run it with podman or docker, and check it; LOCK=requirements-slim.lock for the slim one
	@PYTHONPATH=tests $(BIN)/python -m image

helm-check: ## render deploy/helm/values.yaml with Airflow's charts, which also validates every key; needs helm
	@command -v helm >/dev/null || { echo "make helm-check needs helm: https://helm.sh/docs/intro/install/" >&2; exit 2; }
	@for version in 1.21.0 1.22.0; do \
	  helm template airflow airflow --repo https://airflow.apache.org --version "$$version" \
	    --values deploy/helm/values.yaml >/dev/null || exit 1; \
	  echo "chart $$version: rendered"; \
	done

bench: $(READY) ## run the benchmarks; BENCH=grants selects one
	@PYTHONPATH=tests $(BIN)/python -m bench $(BENCH)

screenshots: $(READY) ## take the screenshots in docs/images; needs Chromium
	@PYTHONPATH=tests $(BIN)/python scripts/screenshots.py

recording: $(READY) ## record the demo as docs/images/demo.svg
	@$(BIN)/python scripts/record_demo.py

docs: $(READY) ## update the generated pages and build the site into build/site
	@$(BIN)/python scripts/generate_docs.py
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

lint: $(READY) ## check style and common errors with ruff
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: $(READY) ## format the code and apply safe fixes
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

types: $(READY) ## check types with mypy
	@$(BIN)/mypy

wheel: $(READY) ## build the package into dist
	@$(BIN)/python -m hatchling build --target wheel

AUDIT := .run/audit
$(AUDIT)/.ready: requirements-audit.lock
	@"$(PYTHON)" -m venv --clear $(AUDIT)
	@$(AUDIT)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-audit.lock
	@touch $@

sbom: $(AUDIT)/.ready ## write a software bill of materials (CycloneDX) to build/sbom.json
	@mkdir -p build
	@$(AUDIT)/bin/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --spec-version 1.6 \
	  --output-reproducible --of JSON -o build/sbom.json

audit: sbom ## check the code with bandit and the packages with pip-audit
	@$(AUDIT)/bin/bandit --quiet --severity-level medium --recursive include dags plugins scripts
	@$(AUDIT)/bin/pip-audit --requirement requirements.lock --disable-pip --require-hashes --progress-spinner off

lock: ## resolve requirements*.txt into the locks; needs uv
	@[ -n "$(UV)" ] || { echo "make lock needs uv: https://docs.astral.sh/uv/" >&2; exit 2; }
	@"$(UV)" pip compile --quiet --universal --python-version 3.11 --generate-hashes -o requirements.lock requirements.txt
	@"$(UV)" pip compile --quiet --universal --python-version 3.11 --generate-hashes -c requirements.lock \
	  --excludes deploy/slim-excludes.txt -o requirements-slim.lock requirements.txt
	@for kind in dev kubernetes; do \
	  "$(UV)" pip compile --quiet --universal --python-version 3.11 --generate-hashes -c requirements.lock \
	    -o requirements-$$kind.lock requirements-$$kind.txt; \
	done
	@"$(UV)" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  -o requirements-audit.lock requirements-audit.txt

clean: ## remove .venv, .run, build results and caches; .env stays
	@rm -rf .venv .run .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
	@find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

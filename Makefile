# Everything is made from Python alone: no Java, no Docker, no AWS account.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
READY := $(VENV)/.ready

# Without .pyc files every process of Airflow compiles its imports anew.
unexport PYTHONDONTWRITEBYTECODE
# The suites bring their own local AWS: nothing of a real account may leak into them.
export AWS_EC2_METADATA_DISABLED := true
PYTEST := $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.PHONY: help install demo ui local test lint format e2e e2e-compose templates matrix equality golden databases faults bench-parse bench-wait bench-compile bench-extract constraints clean

help:  ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(READY)  ## make the virtual environment with all that the other targets need

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 10) <= v < (3, 14) else \
	  f"{sys.executable} is Python {v[0]}.{v[1]}; give one of 3.10 to 3.13: make PYTHON=python3.11 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv==$(UV_VERSION)"
	@echo "installing into $(VENV) ..."
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt \
	  --editable '.[extract,local,mwaa]' --group dev --group bench
	@touch $@

DEMO := build/demo
WAREHOUSE := $(DEMO)/warehouse.db
ON_LAPTOP = --dags dags --home $(DEMO) --sqlite warehouse=$(WAREHOUSE)

$(WAREHOUSE): dags/flight_delays/warehouse.py | $(READY)
	@mkdir -p $(DEMO)
	@echo "loading the flights of 2013 into $@ ..."
	@rm -f $@.part
	@$(BIN)/python dags/flight_delays/warehouse.py sqlite:///$@.part
	@mv $@.part $@

demo: $(READY) $(WAREHOUSE)  ## run the flight-delay pipeline for three days on this machine
	@$(BIN)/airflow-ml run flight_delays_history flight_delays@2013-08-29..2013-08-31 $(ON_LAPTOP)
	@echo "Click the same pipeline in the browser: make ui"

ui: $(READY) $(WAREHOUSE)  ## start Airflow and the local AWS; the example DAGs are in the browser
	@$(BIN)/airflow-ml ui $(ON_LAPTOP) --bucket flight-delays --topic flight-delays

local: $(READY)  ## start the local AWS alone
	@$(BIN)/airflow-ml local

test: $(READY)  ## pass the tests
	@mkdir -p build
	@$(BIN)/coverage run -m pytest -q tests/unit/pipeline tests/unit/plan tests/unit/jobs tests/unit/sql \
	  tests/unit/targets
	@$(BIN)/coverage report
	$(PYTEST) -n 2 tests/unit tests/contract tests/golden tests/matrix \
	  tests/compose/test_entrypoint.py tests/compose/test_file.py tests/compose/test_preflight.py

lint: $(READY)  ## ruff, mypy, import-linter, codespell
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

format: $(READY)  ## let ruff write the code as it wants it
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

e2e: $(READY)  ## really run the example DAGs and the stock operators
	$(PYTEST) tests/e2e

# The other Compose, where both are there: make e2e-compose COMPOSE='docker compose'
export COMPOSE ?=
e2e-compose: $(READY)  ## really run docker-compose.yaml (Docker, or root on Debian, which installs it)
	$(PYTEST) -s tests/compose

# Its packages don't go together with the others.
CHECKOV := tests/unit/mwaa_templates/checkov.txt
templates: $(READY)  ## cfn-lint and checkov on mwaa/cloudformation
	$(BIN)/cfn-lint mwaa/cloudformation/*.yaml
	$(BIN)/uvx --python $(BIN)/python --constraints $(CHECKOV) checkov --skip-download --quiet --compact \
	  --framework cloudformation --directory mwaa/cloudformation

# Less of it: MATRIX='--versions 3.0.6 --steps environment install units'
MATRIX ?=
matrix: $(READY)  ## install and run everything on each version of Amazon MWAA (see build/matrix.json)
	$(BIN)/python tests/matrix/all_versions.py $(MATRIX)

# The same again: EQUALITY='--draw-seed 123456'; more: EQUALITY='--pipelines 3000'
EQUALITY ?=
equality: $(READY)  ## run random pipelines on all three targets; they mean the same
	$(PYTEST) -n 2 tests/equality $(EQUALITY)

golden: $(READY)  ## keep the documents that are compiled now as the expected ones
	$(PYTEST) -q tests/golden --write-golden

databases: $(READY)  ## extract from a real MariaDB and others (apt-get install mariadb-server)
	$(PYTEST) tests/databases

# Less of it: FAULTS='tests/faults/test_matrix.py --cells "killed ours"'
FAULTS ?= tests/faults
faults: $(READY)  ## kill and disturb everything; each job is started once (see build/faults.json)
	$(PYTEST) -s $(FAULTS)

bench-wait: $(READY)  ## what waiting for 1,000 deferred jobs costs, beside the stock trigger
	$(BIN)/python tests/bench/wait.py

bench-parse: $(READY)  ## what a DAG costs to parse, beside its peers
	$(BIN)/python tests/bench/parse.py

bench-compile: $(READY)  ## what compiling a pipeline costs, beside Python's own start
	$(BIN)/python tests/bench/compile.py

# Smaller and quicker: BENCH='--quick'
BENCH ?=
bench-extract: $(READY)  ## an extract beside its peer and the database's own limit (7 minutes)
	$(BIN)/python tests/bench/extract.py $(BENCH)

# The versions of Amazon MWAA 3.3.1; what else is there follows from them.
# ADBC is older: its newer builds for PostgreSQL are slow.
PINS := adbc-driver-manager==1.8.0 adbc-driver-postgresql==1.8.0 adbc-driver-sqlite==1.8.0 \
  apache-airflow==3.3.1 apache-airflow-providers-amazon==9.34.0 \
  apache-airflow-providers-common-compat==1.18.0 apache-airflow-providers-common-sql==2.1.0 \
  apache-airflow-providers-sqlite==4.3.3 apache-airflow-providers-standard==1.17.0 \
  boto3==1.43.56 botocore==1.43.56 rich==14.3.4 uv==$(UV_VERSION)

constraints: $(READY)  ## resolve constraints.txt anew within pyproject's ranges
	@mkdir -p build
	@printf '%s\n' $(PINS) > build/pins.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.10 --all-extras --group dev --group bench \
	  --no-annotate --no-header --upgrade --constraint build/pins.txt --output-file constraints.txt pyproject.toml
	echo checkov | $(BIN)/uv pip compile --quiet --universal --python-version 3.10 --no-annotate --no-header \
	  --upgrade --output-file $(CHECKOV) -

clean:  ## remove what was built, the environment too
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

# The two commands: `make deploy` (the platform on the embedded AWS) and `make test`. `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
# Ansible finds its tools, and molecule its commands, on the virtual environment's PATH.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
INVENTORY ?= inventories/local
# How many tests run at once; of the integration tests one more, since each waits for the other processes of a platform.
CORES := $(shell n=$$(getconf _NPROCESSORS_ONLN); echo $$((n < 8 ? n : 8)))

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-17s %s\n", $$1, $$2}'

# pip compiles one file after the other, and two thirds of them belong to collections that nothing here uses: this takes every core and leaves
# those out. A file that this Python cannot compile is none that it runs; pip says nothing of it either.
COMPILE := { $(VENV)/bin/python -m compileall -qq -j 0 -x 'ansible_collections/(?!amazon/|community/aws/)' $(VENV)/lib || true; }

# The newest interpreter that really runs (a pyenv shim may exist and fail). PYTHON=... chooses another.
$(VENV)/.runtime: requirements.txt tools/find_python.sh
	@python=$$(tools/find_python.sh "$(PYTHON)") && echo "Virtual environment $(VENV) with $$("$$python" --version) ($$python); the first time takes a minute" \
	&& "$$python" -m venv --clear $(VENV) && $(VENV)/bin/python -m pip install --quiet --no-compile --require-hashes -r requirements.txt && $(COMPILE)
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.txt
	@echo "Tools for tests and lint" && $(VENV)/bin/python -m pip install --quiet --no-compile --require-hashes -r requirements-dev.txt && $(COMPILE)
	@touch $@

.PHONY: venv
venv: $(VENV)/.dev ## Make the virtual environment with everything in it

.PHONY: deploy
deploy: $(VENV)/.runtime ## Bring up the whole platform on the embedded AWS and verify it
	@ansible-playbook site.yml -i $(INVENTORY)

.PHONY: local-env
local-env: $(VENV)/.runtime ## Print shell exports that point any AWS client at the running embedded AWS
	@python -m local_aws env

.PHONY: local-down
local-down: $(VENV)/.runtime ## Stop the embedded AWS; no process and no data are left
	@python -m local_aws stop

.PHONY: sample-data
sample-data: $(VENV)/.runtime ## Write 1,000 artists, 500 venues, 10,000 concerts and 50,000 sales to build/sample_data
	@python -m tools.sample_data --into build/sample_data

.PHONY: templates
templates: $(VENV)/.runtime ## Assemble the API and the dashboards into the templates, their quick reference and the pictures of the architecture
	@python -m tools.assemble_templates
	@python -m tools.stack_reference
	@python -m tools.architecture

.PHONY: cost
cost: $(VENV)/.runtime ## What a month costs, into docs/cost.md
	@python -m tools.cost

.PHONY: catalog
catalog: $(VENV)/.runtime ## Write down what the migrations make (files/redshift/catalog.yml), for drift
	@python -m tools.warehouse_catalog

.PHONY: test
test: lint test-unit test-contract test-integration ## Everything: lint, unit, contract, integration with molecule

.PHONY: lint
lint: $(VENV)/.dev ## ruff, mypy, ansible-lint, yamllint, cfn-lint, sqlfluff
	@tools/lint.sh

.PHONY: test-unit
test-unit: $(VENV)/.dev ## Pure cores and handlers
	@python -m pytest tests/unit -n $(CORES) -q

.PHONY: test-contract
test-contract: $(VENV)/.dev ## Templates against what AWS demands
	@python -m pytest tests/contract -n $(CORES) -q

.PHONY: test-integration
test-integration: $(VENV)/.dev ## Against the embedded AWS and a real PostgreSQL, the playbooks under molecule beside them
	@python -m pytest tests/integration tests/molecule -n $$(($(CORES) + 1)) --dist loadfile --no-loadscope-reorder -q

.PHONY: test-molecule
test-molecule: $(VENV)/.dev ## The playbooks alone, to watch: check, converge, idempotence, verify, destroy
	@molecule test --all

.PHONY: test-browser
test-browser: $(VENV)/.dev ## The pages of runs in a headless Chromium; pictures go to build/screenshots
	@python -m pytest tests/browser -q

.PHONY: soak
soak: $(VENV)/.dev ## Longer tests: random stack states, killed playbooks, thousands of requests, every wire of the templates, every right, the workflows, the demo volume sent through the pipeline
	@STACK_PROPERTY_EXAMPLES=1000 python -m pytest tests/integration/test_stack_property.py --timeout 3600 -q
	@API_REQUESTS=5000 python -m pytest tests/integration/test_api_generated.py --timeout 3600 -q
	@python -m pytest tests/soak -q -s

# ARGUMENTS="--case unchanged --repetitions 9", for instance; --help lists them.
.PHONY: bench
bench: $(VENV)/.runtime ## The stack engine beside the stock module, the AWS CLI and Sceptre: table and drawing in build/bench
	@PYTHONPATH=collections python -m bench $(ARGUMENTS)

.PHONY: bench-load
bench-load: $(VENV)/.runtime ## Loading 61,500 rows beside psql's COPY of the same files: table in build/bench
	@PYTHONPATH=collections python -m bench.load $(ARGUMENTS)

.PHONY: lock
lock: ## Lock the requirements again (needs uv)
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header requirements.in -o requirements.txt
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header requirements-dev.in -o requirements-dev.txt
	@for tool in awscli sceptre; do uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		bench/$$tool-requirements.in -o bench/$$tool-requirements.txt; done
	@uv pip compile --quiet --python-version 3.13 --python-platform aarch64-manylinux2014 --generate-hashes --no-header \
		$(foreach package,boto3 botocore python-dateutil six urllib3,--no-emit-package $(package)) \
		files/lambda/layers/shared/requirements.in -o files/lambda/layers/shared/requirements.txt

.PHONY: clean
clean: ## Remove what was built (not the virtual environment)
	@rm -rf build .ansible .pytest_cache .mypy_cache .ruff_cache .hypothesis

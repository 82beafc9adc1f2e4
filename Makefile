# `make help` lists what there is. Options:
#   PYTHON       the Python that the virtual environment is made from
#   DEMO_ARGS    options of `autocomplete demo`, such as `--port 50052`
#   UP_ARGS      options of `make up`, such as `--shift 1000`, which is added to every port
#   PYTEST_ARGS  options of pytest, such as `-k health`
# pip takes its own settings from the environment, such as PIP_INDEX_URL or, for a torch without GPU support,
# PIP_EXTRA_INDEX_URL with the address of PyTorch's index for CPUs.
PYTHON ?= python3
DEMO_ARGS ?=
UP_ARGS ?=
PYTEST_ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
KERNELS := $(wildcard lm/kernels/*.pyx lm/kernels/*.pxd)
PINS := requirements.lock pyproject.toml autocomplete_client/pyproject.toml

.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo up test lint docs reference format proto release-api chart lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 13

demo: export THEN := After that: 82 MB of sample data, then KenLM for 1 minute and training for 3.
demo: $(VENV)/built ## train on sample data, serve the result and show it, until Ctrl-C
	@$(BIN)/autocomplete demo $(DEMO_ARGS)

up: $(VENV)/developing $(VENV)/built ## run what docker-compose.yml says without Docker: server, gateway, Redis, Prometheus, until Ctrl-C
	@exec $(BIN)/python -m scripts.up $(UP_ARGS)

test: $(VENV)/developing $(VENV)/built ## run all tests
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses auto --dist loadfile $(PYTEST_ARGS)

lint: $(VENV)/developing $(VENV)/built ## ruff, mypy, import-linter, buf
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/lint-imports
	$(BIN)/python -m scripts.check_api

docs: $(VENV)/developing $(VENV)/built ## build the documentation into var/site and check its links
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

reference: $(VENV)/developing $(VENV)/built ## write docs/reference/ from commands, settings, metrics, training fields and protos
	$(BIN)/python -m scripts.write_reference

format: $(VENV)/developing $(VENV)/built ## format the code and fix what ruff can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

proto: $(VENV)/developing $(VENV)/built ## regenerate stubs and OpenAPI document from proto/, and the client for threads
	$(BIN)/python scripts/generate_stubs.py
	$(BIN)/python -m scripts.write_openapi
	$(BIN)/python scripts/generate_sync.py

release-api: $(VENV)/developing $(VENV)/built ## write proto/released.binpb: the API that later changes may not break
	$(BIN)/python -m scripts.check_api --release

chart: $(VENV)/developing $(VENV)/built ## copy settings and rules into the Helm chart
	@$(BIN)/python scripts/write_chart.py

lock: $(VENV)/made ## write the newest versions that fit into requirements.lock
	$(BIN)/python scripts/write_lock.py

clean: ## remove what was built and installed, but not what was trained (var/)
	rm -rf $(VENV) build autocomplete_client/build dist *.egg-info autocomplete_client/*.egg-info lm/kernels/*.so \
	    .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps, so that a second run does nothing: environment, what runs the project, what develops it, compiled kernels.

$(VENV)/made:
	@sh scripts/check_machine.sh $(PYTHON)
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/installed: $(VENV)/made $(PINS)
	@sh scripts/install.sh $(VENV) 'server,gateway,train'
	@rm -f $(VENV)/built
	@touch $@

# 1.3 GB more, for tests and checks alone
$(VENV)/developing: $(VENV)/made $(PINS)
	@sh scripts/install.sh $(VENV) 'server,gateway,train,spark,dev'
	@rm -f $(VENV)/built
	@touch $(VENV)/installed $@

# without this stamp pip has just built the kernels; with it, their source has changed since
$(VENV)/built: $(VENV)/installed setup.py $(KERNELS)
	@if [ -e $@ ]; then $(BIN)/python setup.py --quiet build_ext --inplace; fi
	@touch $@

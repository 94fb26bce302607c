# Everything a checkout needs. `make` alone lists the targets.

SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
SYNAPSE := .venv-synapse
PEERS := .venv-peers
BIN := $(VENV)/bin
PLATFORM ?= matrix
PYTEST_ARGS ?=

# Where PYTHONDONTWRITEBYTECODE is set, every start of Synapse would take seconds longer.
unexport PYTHONDONTWRITEBYTECODE
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test serve check bench lock clean environments

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 14

demo: environments ## play a club's whole story on a real homeserver (KEEP=1 leaves it running)
	$(BIN)/gatekeeper demo$(if $(filter-out matrix,$(PLATFORM)), --platform $(PLATFORM))$(if $(LINE), --line $(LINE))$(if $(filter-out 0,$(KEEP)), --keep)

test: environments ## run the tests (PYTEST_ARGS="-m slow" for those that take minutes)
	$(BIN)/python -m pytest -n auto --dist loadfile $(PYTEST_ARGS)

serve: $(VENV)/.stamp ## run the service in this folder
	$(BIN)/gatekeeper serve

check: $(VENV)/.stamp ## lint, formatting, types, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: environments $(if $(or $(if $(ONLY),,all),$(findstring policy,$(ONLY))),$(PEERS)/.stamp) ## measure against named floors (ONLY=policy,sweep for some groups)
	$(BIN)/python -m tests.bench $(if $(ONLY),--only $(ONLY))

environments:
	@$(MAKE) --jobs=2 --no-print-directory $(VENV)/.stamp $(SYNAPSE)/.stamp

# An environment without its stamp was left half made, and one whose stamp names another folder
# was moved: both are made anew. So is one whose Python is gone.
define healthy
[ "$$(cat $(1)/.stamp 2>/dev/null)" = "$(CURDIR)" ] && $(1)/bin/python -c "" 2>/dev/null
endef
$(foreach env,$(VENV) $(SYNAPSE) $(PEERS),$(if $(wildcard $(env)/.stamp),\
	$(shell { $(call healthy,$(env)); } || rm -f $(env)/.stamp)))

# The locks are whole, so that nothing is left to be resolved; `pip check` holds them to that.
define make_environment
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	echo "Gatekeeper needs Python 3.11 or newer; name it with: make PYTHON=python3.12" >&2; exit 2; }
@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	echo "Python's venv is missing; on Debian: apt-get install python3-venv" >&2; exit 2; }
@echo "making $(1)"
@[ -e $(1)/.stamp ] || $(PYTHON) -m venv --clear $(1)
@rm -f $(1)/.stamp
@$(1)/bin/python -m pip install --quiet --require-hashes --no-deps -r $(2)
@said=$$($(1)/bin/python -m pip check) || { \
	echo "$$said" >&2; echo "make it again: $(1) is then made anew" >&2; exit 1; }
endef

$(VENV)/.stamp: requirements.lock pyproject.toml
	$(call make_environment,$(VENV),requirements.lock)
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@printf '%s\n' "$(CURDIR)" > $@

# Synapse is AGPL: an environment of its own, started as a process, never imported.
$(SYNAPSE)/.stamp: tests/synapse/requirements.lock
	$(call make_environment,$(SYNAPSE),tests/synapse/requirements.lock)
	@printf '%s\n' "$(CURDIR)" > $@

# Other engines for rules, to measure ours beside them: nothing of Gatekeeper needs them.
$(PEERS)/.stamp: tests/bench/requirements.lock
	$(call make_environment,$(PEERS),tests/bench/requirements.lock)
	@printf '%s\n' "$(CURDIR)" > $@

# The locks name versions and hashes only, so that they hold with any index or mirror.
lock: ## renew the four locks from what pyproject.toml allows
	$(PYTHON) -m venv --clear .venv-lock
	.venv-lock/bin/python -m pip install --quiet uv
	$(call compile,--extra dev pyproject.toml,requirements.lock)
	$(call compile,--constraints requirements.lock pyproject.toml,deploy/requirements.lock)
	$(call compile,tests/synapse/requirements.in,tests/synapse/requirements.lock)
	$(call compile,tests/bench/requirements.in,tests/bench/requirements.lock)
	@rm -rf .venv-lock
	@! grep -nE '://|^-|--find-links|--(extra-)?index-url' \
		requirements.lock deploy/requirements.lock tests/synapse/requirements.lock \
		tests/bench/requirements.lock

define compile
.venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-emit-index-url --no-emit-find-links --upgrade $(1) -o $(2)
endef

clean: ## remove environments, caches and what was built
	rm -rf $(VENV) $(SYNAPSE) $(PEERS) .venv-lock build dist
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The README's commands. Each does all the set-up it needs, on a Debian or Ubuntu with nothing prepared.
SHELL := /bin/bash
.DEFAULT_GOAL := help
RUN := .venv/bin
export PATH := $(CURDIR)/$(RUN):$(PATH)
# Compiled modules are kept also where the environment says not to, as images of containers like to: without them every
# command starts in twice the time.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help setup demo demo-down test test-long bench lint docs lock

help: ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: .venv/.ready ## what all the others need: the Python environment and the Pulumi CLI

.venv/.ready: pyproject.toml uv.lock tools/setup tools/pulumi/go.mod tools/pulumi/install.py
	@tools/setup
	@touch $@

demo: setup ## a whole workbench in the lab, on this machine
	@$(RUN)/workbench lab demo

demo-down: setup ## remove every trace of it
	@$(RUN)/workbench lab purge --yes

lint: setup ## format, lint, types, import rules
	$(RUN)/ruff format --check .
	$(RUN)/ruff check .
	$(RUN)/mypy
	$(RUN)/lint-imports

test: lint ## everything: lint, unit, infra, deploy, end to end; of the long tests a twelfth
	@tools/test-packages
	$(RUN)/pytest -m 'not oracle' --shard -n 3 --dist worksteal tests/unit tests/infra
	$(RUN)/pytest -m 'not oracle' --shard --durations=15 tests/lab tests/life tests/deploy tests/e2e

test-long: setup ## the long tests, of which `make test` runs a twelfth
	@tools/test-packages
	$(RUN)/pytest -m long --durations=0

bench: setup ## measure; results go to bench/results.json
	$(RUN)/python -m bench

docs: setup ## write the generated pages again
	$(RUN)/python -m workbench.reference

lock: setup ## resolve the locked environments of the host again
	$(RUN)/python -m deploy.locks

# Every target works in the virtual environment .venv, which is made on first use.
# PYTHON names the interpreter that makes it: 3.11 or newer.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help report test check notebooks clean

help:
	@echo "make report     train on the digits, verify and cost every Jacobian, write report/"
	@echo "make test       run the tests"
	@echo "make check      ruff check, ruff format --check, mypy"
	@echo "make notebooks  execute copies of the notebooks"
	@echo "make clean      remove .venv, report/ and caches"

report: $(VENV)/report.installed
	$(BIN)/backprop report --output report

test: $(VENV)/all.installed
	$(BIN)/python -m pytest

check: $(VENV)/dev.installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

notebooks: $(VENV)/all.installed
	PATH="$(abspath $(BIN)):$$PATH" .ci/notebooks

clean:
	rm -rf $(VENV) report build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/report.installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install -e ".[report,cli]"
	@touch $@

$(VENV)/dev.installed: $(VENV)/all.installed # the pip of an older Python knows no groups
	$(BIN)/python -m pip install --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --group dev
	@touch $@

$(VENV)/all.installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install -e ".[all]"
	@touch $@

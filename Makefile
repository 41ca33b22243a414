# Both commands make their own virtual environment; `make demo` asks apt for what the system lacks.
PYTHON ?= python3
VENV ?= .venv

.PHONY: demo test setup-run setup-test system clean

demo: setup-run
	$(VENV)/bin/python run_aimbot.py demo

test: setup-test
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/python -m pytest

system:
	bash tools/system_packages.sh

setup-run: system $(VENV)/.run
setup-test: system $(VENV)/.test

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --upgrade pip

$(VENV)/.run: pyproject.toml | $(VENV)/bin/python
	$(VENV)/bin/python -m pip install --quiet --editable '.[demo]'
	touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/bin/python
	$(VENV)/bin/python -m pip install --quiet --editable . --group dev
	touch $@

clean:
	rm -rf $(VENV) build dist

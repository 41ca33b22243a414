# Both commands make their own virtual environment; `make demo` asks apt for what the system lacks.
PYTHON ?= python3
VENV ?= .venv

.PHONY: demo test setup-run setup-test system system-test tf-trt clean

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

system-test:
	bash tools/system_packages.sh test

setup-run: system $(VENV)/.run
setup-test: system-test $(VENV)/.test

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --upgrade pip

$(VENV)/.run: pyproject.toml | $(VENV)/bin/python
	$(VENV)/bin/python -m pip install --quiet --editable '.[demo]'
	touch $@

$(VENV)/.test: pyproject.toml requirements/triton-server.txt | $(VENV)/bin/python
	$(VENV)/bin/python -m pip install --quiet --editable . --group dev
	$(VENV)/bin/python -m pip install --quiet --no-deps --upgrade --target $(VENV)/triton-server \
	  --requirement requirements/triton-server.txt
	touch $@

# TensorRT's wheel is for CPython 3.10, because of its Python module; TensorFlow loads its libraries alone.
tf-trt:
	$(PYTHON) -m venv .venv-tf-trt
	.venv-tf-trt/bin/python -m pip install --quiet --requirement requirements/tf-trt.txt
	.venv-tf-trt/bin/python -m pip install --quiet --no-deps --only-binary :all: --python-version 3.10 \
	  --target "$$(.venv-tf-trt/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
	  tensorrt==8.5.3.1

clean:
	rm -rf $(VENV) .venv-tf-trt build dist

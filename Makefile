.PHONY: repro test lint bench bench-full gpu-check chaos tune environment clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# DVC runs `python -m stages...` through a shell: the environment's python must come first.
export PATH := $(CURDIR)/$(BIN):$(PATH)

repro: $(READY)  ## run what is not up to date of the pipeline, and show what was reached
	dvc repro
	person-search results

test: $(READY)  ## run all tests
	pytest -n 2 --dist worksteal

lint: $(READY)  ## style, types, and which folder may import which
	ruff check
	ruff format --check
	mypy
	lint-imports --no-cache

bench: $(READY)  ## speed of evaluation, of training steps and of inference
	python -m benchmarks.evaluation
	python -m benchmarks.training
	python -m benchmarks.busy_machine
	python -m benchmarks.inference
	python -m benchmarks.heads
	python -m benchmarks.pairs
	python -m benchmarks.onnx
	python -m benchmarks.frames

bench-full: $(READY)  ## the same at full size: students, loading, and data sets' files (long, 3 GB in TMPDIR)
	python -m benchmarks.full_scale
	python -m benchmarks.loading
	python -m benchmarks.full_size_data
	python -m benchmarks.index
	python -m benchmarks.index_building

gpu-check: $(READY)  ## what a device does with this: the CPU's numbers, equal runs, two devices, speed at the paper's scale
	python -m benchmarks.gpu_check

chaos: $(READY)  ## kill trainings at random moments, and see that nothing is lost
	python -m tests.chaos

tune: $(READY)  ## try settings of each student on validation identities
	person-search tune

environment: $(READY)  ## install everything into .venv

clean:  ## remove the environment
	rm -rf $(VENV)

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "CPython 3.11 or newer is needed (make PYTHON=python3.11)")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-deps --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $(READY)

# Two commands do all set-up on a fresh machine: `make audit` and `make test`.
PYTHON ?= python3
# Another Python has an environment of its own: make test PYTHON=python3.13
VENV ?= .venv$(if $(filter-out python3,$(PYTHON)),-$(notdir $(PYTHON)))
BIN := $(VENV)/bin
RUNFILE ?= pipelines/small.yaml

KILLS ?= 100
SKIES ?= 1

.PHONY: audit truth test chaos faultpoints check docs install benchmarks mutants clean

audit: $(VENV)/.installed-audit  ## embedded sky, whole run, report
	$(BIN)/lenscal mock $(RUNFILE)
	@code=0; $(BIN)/lenscal run $(RUNFILE) || code=$$?; [ $$code = 1 ] || printf '%s\n' \
	  "next: source $(BIN)/activate" \
	  "      lenscal query $(RUNFILE) --theta-e 1.5 --psf 1.25 --depth 24    # completeness of a cell, with its interval" \
	  "      lenscal status $(RUNFILE); lenscal verify $(RUNFILE)    # what is complete; every number derived again" \
	  "      lenscal bring $(RUNFILE) YOUR.onnx    # the same trials for a detector of yours"; exit $$code

truth: $(VENV)/.installed-audit  ## hold the finished audit against embedded skies it has not seen
	$(BIN)/lenscal closed-loop $(RUNFILE) --lenses 800 --seed 1 --skies $(SKIES)

test: install  ## every test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --max-worker-restart 0

chaos: install  ## a small run, killed at KILLS random moments (driver, worker, scheduler, machine), held against one left alone; writes chaos.log
	$(BIN)/python tests/support/chaos.py --kills $(KILLS) --log chaos.log

faultpoints: install  ## every write, rename, removal, read, listing and fetch of a whole small run, each made to fail in turn; goes on from faultpoints.log, fetchpoints.log
	OMP_NUM_THREADS=1 $(BIN)/python -W ignore tests/support/faultpoints.py --log faultpoints.log
	OMP_NUM_THREADS=1 $(BIN)/python -W ignore tests/support/fetchpoints.py --log fetchpoints.log

check: install  ## style, layers and types only
	$(BIN)/ruff check lenscal tests benchmarks
	$(BIN)/ruff format --check --quiet lenscal tests benchmarks
	$(BIN)/lint-imports
	$(BIN)/mypy

docs: install  ## the documentation as a site of its own, in site/; opens from disk
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

install: $(VENV)/.installed

# constraints.txt holds the set that the tests pass with; without it pip takes the newest of everything.
$(VENV)/.installed-audit: pyproject.toml constraints.txt | $(VENV)/bin/pip
	$(BIN)/pip install -q -c constraints.txt -e '.[detector,mock]'
	touch $@

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/pip
	$(BIN)/pip install -q -c constraints.txt -e '.[test]'
	touch $@ $(VENV)/.installed-audit

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -U pip

mutants: install  ## every fault of physics and statistics, and what kills it (make test tries one in ten)
	OMP_NUM_THREADS=1 $(BIN)/python tests/mutants/table.py --run

benchmarks: install  ## speed against peers and slow twins
	for file in benchmarks/*.py; do $(BIN)/python $$file || exit 1; done

clean:  ## remove the stores of the small run and its sky
	rm -rf stores/small stores/sky-small

# Two commands do all set-up on a fresh machine: `make audit` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RUNFILE ?= pipelines/small.yaml

KILLS ?= 100
SKIES ?= 1

.PHONY: audit truth test chaos faultpoints check install benchmarks mutants clean

audit: install  ## embedded sky, whole run, report
	$(BIN)/lenscal mock $(RUNFILE)
	$(BIN)/lenscal run $(RUNFILE)

truth: install  ## hold the finished audit against embedded skies it has not seen
	$(BIN)/lenscal closed-loop $(RUNFILE) --lenses 800 --seed 1 --skies $(SKIES)

test: install  ## every test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

chaos: install  ## a small run, killed at KILLS random moments (driver, worker, scheduler, machine), held against one left alone; writes chaos.log
	$(BIN)/python tests/chaos.py --kills $(KILLS) --log chaos.log

faultpoints: install  ## every write, rename, removal, read, listing and fetch of a whole small run, each made to fail in turn; goes on from faultpoints.log, fetchpoints.log
	OMP_NUM_THREADS=1 $(BIN)/python -W ignore tests/faultpoints.py --log faultpoints.log
	OMP_NUM_THREADS=1 $(BIN)/python -W ignore tests/fetchpoints.py --log fetchpoints.log

check: install  ## style and layers only
	$(BIN)/ruff check lenscal tests benchmarks
	$(BIN)/lint-imports

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -U pip
	$(BIN)/pip install -q -e '.[test]'
	touch $@

mutants: install  ## every fault of physics and statistics, and what kills it (make test tries one in ten)
	OMP_NUM_THREADS=1 $(BIN)/python tests/mutants/table.py --run

benchmarks: install  ## speed against peers and slow twins
	for file in benchmarks/*.py; do $(BIN)/python $$file || exit 1; done

clean:  ## remove the stores of the small run and its sky
	rm -rf stores/small stores/sky-small

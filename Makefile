# make search: a search on real trainings (ARGS="seed=1" and the like); make test: the tests of a few minutes;
# make test-long: the long campaigns; make test-all: both; make lint: the linters.
PYTHON ?= python3.11
VENV := .venv
STAMP := $(VENV)/.installed

.PHONY: search test test-long test-all lint clean

# Installed once, and again only when the dependencies change.
$(STAMP): pyproject.toml
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --editable ".[dev]"
	touch $@

search: $(STAMP)
	$(VENV)/bin/seminas-search $(ARGS)

test: $(STAMP)
	$(VENV)/bin/python -m pytest -n auto --dist worksteal -m "not long" $(PYTEST_ARGS)

test-long: $(STAMP)
	$(VENV)/bin/python -m pytest -n auto --dist worksteal -m long $(PYTEST_ARGS)

test-all: test test-long

lint: $(STAMP)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

clean:
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache

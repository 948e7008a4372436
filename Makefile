# make search: a search on real trainings (ARGS="seed=1" and the like); make test: the short tests;
# make test-long: the long ones; make campaign: those of minutes, and 100 random kills; make test-all: all three;
# make lint: the linters; make audit: known vulnerabilities of the dependencies; make docs: the site, in site/.
VENV := .venv
STAMP := $(VENV)/.installed
# The first one of version 3.11 or later makes the environment; PYTHON=… names another one.
PYTHONS := $(or $(PYTHON),python3.11 python3.12 python3.13 python3.14 python3 python)
SUITS := import ensurepip, sys; sys.exit(sys.version_info < (3, 11))

# Architectures have hexadecimal names, which look like keys.
NO_ENTROPY := --disable-plugin HexHighEntropyString --disable-plugin Base64HighEntropyString

.PHONY: search test test-long campaign test-all lint audit docs clean

# Installed once, and again only when the dependencies change.
$(STAMP): pyproject.toml | $(VENV)/bin/python
	$(VENV)/bin/python -m pip install --quiet --editable ".[dev]"
	touch $@

$(VENV)/bin/python:
	@for python in $(PYTHONS); do \
		if $$python -c "$(SUITS)" 2>/dev/null; then \
			echo "$(VENV) is made with $$(command -v $$python), $$($$python --version)"; \
			exec $$python -m venv $(VENV); \
		fi; \
	done; \
	echo "No Python 3.11 or later that can make environments (tried: $(PYTHONS)). Install one, or run make with PYTHON=/path/to/python" >&2; \
	exit 1

search: $(STAMP)
	$(VENV)/bin/seminas-search $(ARGS)

test: $(STAMP)
	$(VENV)/bin/python -m pytest -n auto --dist worksteal -m "not long" $(PYTEST_ARGS)

test-long: $(STAMP)
	$(VENV)/bin/python -m pytest -n auto --dist worksteal -m "long and not campaign" $(PYTEST_ARGS)

campaign: $(STAMP)
	$(VENV)/bin/python -m pytest -n auto --dist worksteal -m campaign $(PYTEST_ARGS)
	cd tests && ../$(VENV)/bin/python -m campaign $(CAMPAIGN_ARGS)

test-all: test test-long campaign

lint: $(STAMP)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	git ls-files -z | xargs -0 $(VENV)/bin/detect-secrets-hook --no-verify $(NO_ENTROPY)

# Known vulnerabilities of the installed packages. It asks PyPI, so it needs a network.
audit: $(STAMP)
	$(VENV)/bin/pip-audit --skip-editable

docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict

clean:
	rm -rf $(VENV) dist build site .pytest_cache .mypy_cache .ruff_cache

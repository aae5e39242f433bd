# Every target prepares its own Python environment: the active virtual environment, or .venv. `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help demo test test-slow check wheel-test clean
SHELL := /bin/sh

TEST_EXTRAS := offline,postgres,test
# Two processes, each computing on one core, halve the time of the suite on the smallest machine it is run on.
WORKERS ?= 2
PYTEST := -m pytest -n $(WORKERS) --dist worksteal
THREADS := OMP_NUM_THREADS=1
SOURCES := $(shell find tercet tests scripts docs -type f -not -name '*.pyc' 2>/dev/null) README.md pyproject.toml

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' Makefile

demo:  ## Ingest this project's README and docs, then answer three searches and a question with citations
	@bin=$$(scripts/environment.sh offline) && scripts/demo.sh "$$bin/tercet"

test:  ## Run the test suite (ARGS="-k words" to narrow it)
	@bin=$$(scripts/environment.sh $(TEST_EXTRAS)) && \
	rm -f .coverage && $(THREADS) "$$bin/python" $(PYTEST) -m "not slow" --cov --cov-report= --cov-fail-under=0 $(ARGS)

test-slow:  ## Run the tests that need minutes, many kills or large data
	@bin=$$(scripts/environment.sh $(TEST_EXTRAS)) && $(THREADS) "$$bin/python" $(PYTEST) --slow -m slow $(ARGS)

check: .coverage  ## Style, format, types, import directions, docs/requirements.md, and coverage of the last full test run
	@bin=$$(scripts/environment.sh $(TEST_EXTRAS)) && PATH="$$bin:$$PATH" && \
	echo "ruff check"        && ruff check . && \
	echo "ruff format"       && ruff format --check . && \
	echo "mypy --strict"     && mypy && \
	echo "lint-imports"      && lint-imports && \
	echo "requirements"      && python scripts/requirements.py --check && \
	echo "coverage"          && coverage report --skip-covered --sort=cover

.coverage: $(SOURCES)
	@$(MAKE) --no-print-directory test

wheel-test:  ## Build the wheel and run the suite against it in an empty environment and folder
	@bin=$$(scripts/environment.sh $(TEST_EXTRAS)) && scripts/wheel_test.sh "$$bin/python"

clean:  ## Remove what the targets made, except the environment
	rm -rf build dist .coverage htmlcov .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .tercet-demo

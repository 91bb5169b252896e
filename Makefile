.DEFAULT_GOAL := help
PY := .venv/bin/python

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# What is compiled is kept, whatever the shell says: else each process compiles a thousand files anew.
run test e2e faults bench: export PYTHONDONTWRITEBYTECODE :=
run: ## the whole suite on this machine: http://127.0.0.1:8000 (PORT=, HOST=, FAKES=9700 for a trial with fakes of every service); Ctrl-C stops it
	@bin/bootstrap base && exec $(PY) -m config.supervisor

test: ## every test, on real PostgreSQL and Redis, on two cores (ARGS= for pytest)
	@bin/bootstrap dev && $(PY) -m pytest -n 2 --dist worksteal $(ARGS)

check: ## format, lint, types, floor plan, templates, migrations, deployment
	@bin/bootstrap dev && bin/check

bench: ## measure every claim; figures go to benchmarks/
	@bin/bootstrap dev && for claim in benchmarks/[a-z]*.py; do OPENBLAS_NUM_THREADS=1 PYTHONPATH=. $(PY) $$claim || exit 1; done

e2e: ## the pages in a real browser
	@bin/bootstrap e2e && $(PY) -m pytest -m e2e tests/e2e $(ARGS)

faults: ## the full dose of killed processes
	@bin/bootstrap dev && BELLWETHER_FAULTS=full $(PY) -m pytest -m faults $(ARGS)

warehouse: ## tests of the DuckDB and Spark engines, in .venv-warehouse (installed when it is missing: 1.5 GB)
	@bin/bootstrap dev && if bin/warehouse; then .venv-warehouse/bin/python -m pytest tests/warehouse $(ARGS); fi

lock: ## compile requirements/*.in to *.txt, no release younger than two weeks
	@bin/bootstrap dev && PYTHON=$(PY) bin/lock

audit: ## known holes in the locked packages (asks the network)
	@bin/bootstrap dev && $(PY) -m pip_audit --requirement requirements/base.txt --require-hashes --disable-pip

hook: ## make check before every commit
	@hook="$$(git rev-parse --git-path hooks)/pre-commit" && \
	printf '#!/bin/sh\nexec make check\n' > "$$hook" && chmod +x "$$hook" && echo "Wrote $$hook"

stop: ## end what make run started here, from any terminal, and what a killed run left behind
	@bin/bootstrap base && $(PY) -m config.supervisor.stop

clean: ## .venv and caches; the data under .bellwether/ stays
	@rm -rf .venv .venv-warehouse .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache staticfiles
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help run test check bench e2e faults warehouse lock audit hook stop clean

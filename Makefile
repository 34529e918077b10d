# Two commands do everything on a fresh machine with Python, git and make: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EDITOR := tests/editor/node_modules
BROWSER := tests/browser/node_modules
FLOW ?=
STORE ?=
SCHEDULES ?= 1000
POINTS ?= 500
CHANGES ?= 300
PUBLISH ?=
SEED ?= 1
COMPANIES ?= 1000
MINUTES ?= 5

.PHONY: demo test test-postgres test-on-postgres editor browser check lint bench campaign crash-points swarm audit-campaign lock schemas stale clean help

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | sort

$(VENV)/.ready: requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

demo: $(VENV)/.ready ## Set up, and run the shipped flows (or FLOW=name) end to end against simulated vendors (STORE=postgres: on PostgreSQL)
	$(BIN)/flowctl demo $(FLOW) $(if $(STORE),--store $(STORE))

# A test starts many processes, and each would compile what it imports anew were it forbidden to keep the result.
unexport PYTHONDONTWRITEBYTECODE
# A store is flushed to the disk after each transaction, thousands of times in a run; memory that serves as a disk takes
# no time for it. It must have room for what the tests leave, and let programs run: not every machine has such.
MEMORY := $(shell [ -w /dev/shm ] && awk '$$2 == "/dev/shm" && $$4 !~ /noexec/ {print $$2; exit}' /proc/mounts | \
	xargs -r df -Pk | awk 'NR == 2 && $$4 > 2000000 {print "/dev/shm"}')

# A foreign client for the schema: the YAML language server that editors run. Without npm its tests are skipped.
editor: ## Install the YAML language server for the tests of the schema
	@if command -v npm >/dev/null; then $(MAKE) -s $(EDITOR)/.ready; else echo "no npm: the tests with the YAML language server are skipped"; fi

$(EDITOR)/.ready: tests/editor/package-lock.json
	@if cd tests/editor && npm ci --ignore-scripts --no-audit --no-fund --fetch-retries=1 --loglevel=error; then touch node_modules/.ready; \
	else echo "npm could not install it: the tests with the YAML language server are skipped"; fi

browser: ## Install the checker of accessibility for the tests of the panel
	@if command -v npm >/dev/null; then $(MAKE) -s $(BROWSER)/.ready; else echo "no npm: the panel's tests of accessibility are skipped"; fi

$(BROWSER)/.ready: tests/browser/package-lock.json
	@if cd tests/browser && npm ci --ignore-scripts --no-audit --no-fund --fetch-retries=1 --loglevel=error; then touch node_modules/.ready; \
	else echo "npm could not install it: the panel's tests of accessibility are skipped"; fi

# One more than there are processors: a test that waits, for a process, a browser or a lock, leaves its own to another.
WORKERS := $(shell n=$$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN); echo $$((n + 1)))

# Whole files go to the workers, in the order of tests/conftest.py. The golden cases of the flows are tests/test_flows.py.
test: $(VENV)/.ready editor browser ## Set up, and run the tests, which play the golden cases too
	$(if $(MEMORY),PYTEST_DEBUG_TEMPROOT=$(MEMORY) )$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -o tmp_path_retention_policy=failed

test-postgres: $(VENV)/.ready ## The sessions of the Web Connector, a slice of the campaign and a demo, on a private PostgreSQL
	FLOWCTL_TEST_STORE=postgres $(BIN)/pytest -q tests/connectors/qbwc/test_session.py tests/connectors/qbwc/test_zeep_session.py tests/connectors/qbwc/test_turns.py
	$(BIN)/python -m engine.campaign --store postgres --schedules 20
	$(BIN)/flowctl demo ramp_to_quickbooks --store postgres

# The private server of each worker ends with it. What is about SQLite's own file is skipped, and says why.
test-on-postgres: $(VENV)/.ready editor browser ## The whole of `make test` with the stores of the tests on private PostgreSQL servers; takes longer
	FLOWCTL_TEST_STORE=postgres $(if $(MEMORY),PYTEST_DEBUG_TEMPROOT=$(MEMORY) )$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -rs -o tmp_path_retention_policy=failed

check: lint stale ## Lint, types, format, generated files

lint: $(VENV)/.ready ## Lint, format, types: what changes no file
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

schemas: $(VENV)/.ready ## Regenerate everything that is generated
	$(BIN)/python -m engine.flowlang.flowschema > schemas/flow.schema.json.new && mv schemas/flow.schema.json.new schemas/flow.schema.json
	$(BIN)/python -m engine.qbxml.build
	$(BIN)/python -m engine.lints.facts > schemas/template_facts.json.new && mv schemas/template_facts.json.new schemas/template_facts.json
	$(BIN)/python -m engine.refdocs

stale: $(VENV)/.ready ## Fail when a generated file is not what its source gives
	$(BIN)/python -m tests.stale

bench: $(VENV)/.ready ## Measure speed and memory; writes benchmarks/latest.json
	$(BIN)/python -m benchmarks

# With huge pages a schedule takes a fifteenth less time on the C library's allocator than on Python's own; without, more.
ALLOCATOR = $(shell grep -qsE '\[(madvise|always)\]' /sys/kernel/mm/transparent_hugepage/enabled && \
	getconf GNU_LIBC_VERSION 2>/dev/null | awk '$$1 == "glibc" && $$2 >= 2.35 {print "PYTHONMALLOC=malloc \
	GLIBC_TUNABLES=glibc.malloc.hugetlb=1:glibc.malloc.tcache_count=2000:glibc.malloc.trim_threshold=1000000000:glibc.malloc.top_pad=67108864"}')

campaign: $(VENV)/.ready ## Simulate faults: make campaign SCHEDULES=n SEED=s FLOW=name; the last line is JSON
	@$(ALLOCATOR) $(BIN)/python -m engine.campaign --schedules $(SCHEDULES) --seed $(SEED) $(if $(FLOW),--flow $(FLOW)) $(if $(STORE),--store $(STORE))

crash-points: $(VENV)/.ready ## Strike the real server at system calls (needs strace): make crash-points POINTS=n SEED=s; the last line is JSON
	@$(BIN)/python -m tests.crash --points $(POINTS) --seed $(SEED) $(if $(PUBLISH),--publish)

swarm: $(VENV)/.ready ## Kill servers and workers under many companies: make swarm COMPANIES=n MINUTES=m STORE=postgres SEED=s; the last line is JSON
	@$(BIN)/python -m benchmarks.swarm --companies $(COMPANIES) --minutes $(MINUTES) --seed $(SEED) --store $(if $(STORE),$(STORE),sqlite)

audit-campaign: $(VENV)/.ready ## Change bytes of a journal of 100,000 lines, one after another: make audit-campaign CHANGES=n SEED=s
	@$(BIN)/python -m benchmarks.audit --changes $(CHANGES) --seed $(SEED)

lock: ## Pin dependencies with hashes
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 pyproject.toml -o requirements/run.txt
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 pyproject.toml requirements/dev.in -o requirements/dev.txt

clean: ## Remove the virtual environment and caches
	rm -rf $(VENV) $(EDITOR) $(BROWSER) .mypy_cache .ruff_cache .pytest_cache

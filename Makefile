# Every target installs what it needs. PYTHON is the Python to use, MODEL the model to package.
PYTHON ?= python3
MODEL ?= model
DATA ?= data
VENV := .venv/bin
ARCHIVE := model_store/sentiment.mar

# $(call flag,NAME,--option): the option, unless NAME is empty or 0.
flag = $(if $(filter-out 0,$($1)),$2)

# `python -m` finds this repository's packages in the working folder.
unexport PYTHONSAFEPATH

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help serve stop archive test zoo faults check format docs bench soak tune .target train evaluate calibrate constraints clean

help:  ## List the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' Makefile

# FRONT=1 starts nginx in front of it; PROFILE=production also requires tokens.
serve: .venv/.serve  ## Start the server and show a prediction
	@$(VENV)/python -m scripts.launcher serve $(if $(PROFILE),--profile "$(PROFILE)") \
	$(call flag,FRONT,--front)

stop:  ## Answer what is in flight, and stop the server
	@if [ -x $(VENV)/python ]; then $(VENV)/python -m scripts.launcher stop; \
	else echo "The server was not running."; fi

# VERSION=2.0 writes model_store/sentiment-2.0.mar, for `sentiment deploy`. PAIRS=1 is for a model that
# was trained on pairs of texts.
archive: .venv/.serve  ## Package a model: make archive MODEL=path-or-hub-name
	@$(VENV)/python -m scripts.archive.build --model "$(MODEL)" $(if $(TEXTS),--texts "$(TEXTS)") \
	$(if $(VERSION),--version "$(VERSION)") $(call flag,PAIRS,--pairs)

# Three processes, since tests often wait for a server. Files in their order: else those with one long
# test come last, and the other processes wait for them.
test: .venv/.serve .venv/.test .venv/.javascript  ## Run all tests, most of them against a real server
	@$(VENV)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

zoo: .venv/.serve .venv/.test  ## Package every kind of checkpoint, and write docs/models.md
	@ZOO=1 $(VENV)/python -m pytest tests/archive/test_zoo.py
	@PYTHONPATH=handler $(VENV)/python -m tests.zoo_table

# As root, with nginx, for network namespaces; with faketime, also for a clock that jumps.
faults: .venv/.serve .venv/.test $(ARCHIVE)  ## Break hosts under load, and write docs/reliability.md
	@FAULTS=1 $(VENV)/python -m pytest tests/faults
	@$(VENV)/python -m tests.faults.page

check: .venv/.serve .venv/.test .venv/.check  ## Lint, formatting and types
	@$(VENV)/ruff check .
	@$(VENV)/ruff format --check .
	@$(VENV)/mypy

format: .venv/.check  ## Format the code
	@$(VENV)/ruff check --fix --quiet .
	@$(VENV)/ruff format .

docs: .venv/.serve  ## Write docs/openapi.json, after changing a dialect
	@PYTHONPATH=handler $(VENV)/python -m scripts.openapi

# SERVERS="service engine" selects servers; bentoml, triton, mlserver and infinity are measured only if
# they are named, since each installs packages of its own. ROUNDS and SECONDS set how often and how long
# each load is measured. TEXTS="a.txt b.txt" are your own files with one text per line. RESUME=1
# continues an interrupted run.
bench: .venv/.serve .venv/.bench $(ARCHIVE)  ## Compare this with other servers: make bench QUICK=1
	@$(VENV)/python -m benchmarks $(call flag,QUICK,--quick) $(call flag,RESUME,--resume) \
	$(if $(SERVERS),--servers $(SERVERS)) $(if $(TEXTS),--texts $(TEXTS)) \
	$(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SECONDS),--seconds $(SECONDS))

# RATE is the number of requests per second; RESUME=1 continues an interrupted run.
soak: .venv/.serve .venv/.bench $(ARCHIVE)  ## Load a server for hours: make soak HOURS=8
	@$(VENV)/python -m benchmarks.soak $(if $(HOURS),--hours $(HOURS)) $(if $(RATE),--rate $(RATE)) \
	$(call flag,RESUME,--resume)

# THROUGHPUT=1 instead of P99 ignores latency; TEXTS is your own file with one text per line.
tune: .target .venv/.serve .venv/.tune $(ARCHIVE)  ## Find the best settings: make tune P99=50ms
	@$(VENV)/python -m tuning $(if $(P99),--p99 "$(P99)") $(call flag,THROUGHPUT,--throughput) \
	$(if $(TEXTS),--texts "$(TEXTS)") $(if $(SECONDS),--seconds $(SECONDS))

# Checked before anything is installed.
.target:
	@if [ -z "$(P99)$(THROUGHPUT)" ]; then \
	echo "Set a goal: make tune P99=50ms, or make tune THROUGHPUT=1" >&2; exit 1; fi

train: .venv/.train  ## Train the default model: make train DATA=folder (an hour on two cores)
	@$(VENV)/python -m training.train --data "$(DATA)"

evaluate: .venv/.serve .venv/.train  ## Measure a model: make evaluate DATA=folder MODEL=path
	@PYTHONPATH=handler $(VENV)/python -m training.evaluate --data "$(DATA)" --model "$(MODEL)" \
	$(if $(ENGINE),--engine "$(ENGINE)") $(if $(MAX_TOKENS),--max-tokens $(MAX_TOKENS)) \
	$(if $(JSON),--json "$(JSON)")

calibrate: .venv/.serve .venv/.train  ## Fit a model's confidence: make calibrate DATA=folder MODEL=path
	@PYTHONPATH=handler $(VENV)/python -m training.calibrate --data "$(DATA)" --model "$(MODEL)" \
	$(if $(ENGINE),--engine "$(ENGINE)") $(if $(MAX_TOKENS),--max-tokens $(MAX_TOKENS))

# Keeps the versions in constraints.txt, unless pyproject.toml rules them out.
constraints: .venv/.constraints  ## Pin all dependencies, after changing pyproject.toml
	@$(VENV)/uv pip compile --quiet --no-cache --python-version 3.11 --no-annotate \
	--all-extras $(addprefix --group ,serve java test check train bench tune) \
	--custom-compile-command "make constraints" -o constraints.txt pyproject.toml

clean: stop  ## Remove everything that was built or installed
	rm -rf .venv .run model_store

.venv/.%: pyproject.toml constraints.txt scripts/install.py client/sentiment_client/_version.py
	@$(PYTHON) scripts/install.py $*
	@touch $@

# The JavaScript client that a test uses; without npm, that test is skipped.
.venv/.javascript: tests/javascript/package-lock.json
	@if command -v npm >/dev/null; then \
	npm ci --prefix tests/javascript --cache .venv/npm --ignore-scripts --no-audit --no-fund \
	--no-update-notifier --silent; fi
	@touch $@

ifeq ($(origin MODEL),command line)
serve: archive
else
serve: $(ARCHIVE)
endif

# Packages the last packaged model again.
$(ARCHIVE): $(shell find handler -name '*.py' -o -name '*.yaml' -o -name '*.html') $(wildcard model/*) \
  $(wildcard scripts/archive/*.py scripts/archive/*.txt) | .venv/.serve
	@$(VENV)/python -m scripts.archive.build

# The commands of this repository; CONTRIBUTING.md says when to use which.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.ONESHELL:
MAKEFLAGS += --no-builtin-rules --no-print-directory

PYTHON ?= python3
VENV ?= .venv
PYTEST_ARGS ?=
# What the tests are installed with: all on the main CPython, what concerns its event loops on the others.
EXTRAS ?= test,test-async,test-frameworks,test-browser,test-receivers
# The other CPythons to test. Expanded only when a recipe needs them, since looking for them takes a second.
PYTHONS ?= $(shell scripts/find-pythons $(VENV)/bin/python)

# Directories are listed too: their time changes when a file is removed.
SOURCES := pyproject.toml CMakeLists.txt \
           $(shell find src native/include native/src native/python -name __pycache__ -prune -o -print)
# Further settings of the build, such as those of the build with sanitizers.
BUILD_SETTINGS ?=
PIP_INSTALL = $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check $(BUILD_SETTINGS)
# For the other CPythons: the tests of what C does with their objects and threads, without what would tell the same there.
# TESTS= is all of them.
TESTS ?= tests/bug_classes tests/property tests/sdk $(wildcard tests/integration/test_*.py) \
         $(addprefix tests/integration/,arrays detection holders propagation retained store) tests/unit/detection/test_eviction.py
# Nothing is timed there, and what Cython writes takes long to compile at -O3.
QUICK_BUILD = --config-settings=cmake.build-type=MinSizeRel
EACH_BUILD = -m "not long and not once"
# ThreadSanitizer's shadow collides with the mappings of a kernel that randomises more than 28 bits of an address.
FIXED_ADDRESSES = $(shell setarch --addr-no-randomize true 2>/dev/null && echo setarch --addr-no-randomize)

.PHONY: help demo test lint test-python test-native test-sanitized test-pythons test-sdks check-models check-long check-long-native check-long-python docs bench bench-ring bench-leaks clean

help: ## show the targets (default)
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | while IFS=$$'\t' read -r target text; do
		printf '  make %-15s %s\n' "$$target" "$$text"
	done

demo: $(VENV)/.installed ## install into .venv, then profile a leaking service (under 3 minutes)
	@$(VENV)/bin/spanheap demo

# Each has a folder of its own, so they run side by side, the longest first: three on two cores, since tests wait for processes
# most of the time. `lint` comes before: it is quick, and installs what the others share.
test: lint ## everything a change has to pass (some 20 minutes on two cores)
	@$(MAKE) --jobs=3 --output-sync=target test-pythons test-sanitized test-python test-native check-models

lint: $(VENV)/.installed-$(EXTRAS) ## ruff and mypy
	$(VENV)/bin/python -m ruff check
	$(VENV)/bin/python -m mypy

test-python: $(VENV)/.installed-$(EXTRAS) ## pytest; PYTEST_ARGS='-k dump' to choose
	$(VENV)/bin/python -m pytest $(PYTEST_ARGS)

test-native: $(VENV)/.installed-$(EXTRAS) ## the C tests, plain and under ASan + UBSan
	export PATH="$(CURDIR)/$(VENV)/bin:$$PATH"
	for preset in dev asan; do cmake --workflow --preset "$$preset"; done

test-sanitized: ## pytest on an extension built with ASan + UBSan
	@CC=gcc $(MAKE) test-python-sanitized VENV=.venv-asan EXTRAS=test BUILD_SETTINGS="--config-settings=build-dir=build/asan-{wheel_tag} \
		--config-settings=cmake.define.SPANHEAP_SANITIZE=address,undefined --config-settings=install.strip=false"

# The second pass sends every object through malloc, so that ASan sees those that pymalloc would pool: the tests of objects
# whose lives C has to do with. The first pass is the hook as services run it. What is the hook's own is in both.
# A report of ASan ends the process: it must reach the terminal, not a file of pytest's capture.
POOLED_TESTS ?= tests/bug_classes tests/sdk $(wildcard tests/integration/test_*.py) \
                $(addprefix tests/integration/,propagation recorder ring)
MALLOC_TESTS ?= tests/bug_classes tests/property $(addprefix tests/integration/,arrays holders retained store test_attribution.py \
                test_fork.py test_frames.py test_hook.py test_threads.py)
.PHONY: test-python-sanitized
test-python-sanitized: $(VENV)/.installed-$(EXTRAS)
	@under_sanitizers() {
		echo "==> pytest under ASan + UBSan, PYTHONMALLOC=$$1"
		LD_PRELOAD="$$(gcc -print-file-name=libasan.so)" ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 \
			PYTHONMALLOC="$$1" $(VENV)/bin/python -m pytest --capture=sys $(EACH_BUILD) "$${@:2}" $(PYTEST_ARGS)
	}
	under_sanitizers default $(POOLED_TESTS)
	under_sanitizers malloc $(MALLOC_TESTS)

test-pythons: $(VENV)/bin/python ## pytest on every other CPython found; PYTHONS='…' to choose
	@failed=
	for python in $(PYTHONS); do
		version=$$("$$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
		echo "==> CPython $$version: $$python"
		$(MAKE) test-python VENV=".venv-$$version" PYTHON="$$python" EXTRAS=test,test-async BUILD_SETTINGS="$(QUICK_BUILD)" \
			PYTEST_ARGS='$(EACH_BUILD) $(TESTS) $(PYTEST_ARGS)' || failed+=" $$version"
	done
	[[ -z $$failed ]] || { echo "failed on CPython$$failed" >&2; exit 1; }

test-sdks: $(VENV)/.installed-$(EXTRAS) ## the oldest, a middle and the latest OpenTelemetry SDK
	$(VENV)/bin/python -m tests.sdk

check-models: $(VENV)/bin/python ## the ring's protocol in Spin and relacy, and whether they notice it broken
	$(VENV)/bin/python -m native.models

check-long: check-long-python check-long-native ## the long checks (an hour); PYTEST_ARGS='--stress-seconds=60' for a slice

check-long-native: $(VENV)/.installed-$(EXTRAS)
	export PATH="$(CURDIR)/$(VENV)/bin:$$PATH"
	$(FIXED_ADDRESSES) cmake --workflow --preset tsan
	$(VENV)/bin/python -m native.models --long

# Some take longer than what ends a test that hangs (pyproject.toml).
PATIENT = -o faulthandler_timeout=1800
check-long-python: $(VENV)/.installed-$(EXTRAS)
	export PATH="$(CURDIR)/$(VENV)/bin:$$PATH"
	$(VENV)/bin/python -m pytest $(PATIENT) -m long $(PYTEST_ARGS)
	for python in $(PYTHONS); do
		version=$$("$$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
		$(MAKE) test-python VENV=".venv-$$version" PYTHON="$$python" EXTRAS=test,test-async PYTEST_ARGS="$(PATIENT) -m 'long and cpython' $(PYTEST_ARGS)"
	done

bench: $(VENV)/.installed-bench ## the micro benchmarks, beside tracemalloc and a no-op
	$(VENV)/bin/python -m pytest benchmarks $(PYTEST_ARGS)

bench-ring: $(VENV)/.installed-bench ## SpanRing beside deque, queue.Queue and cachetools
	$(VENV)/bin/python -m benchmarks.ring

bench-leaks: $(VENV)/.installed-bench ## leaks found, and false alarms, in 51 services (under 5 minutes)
	$(VENV)/bin/python -m benchmarks.leaks

docs: $(VENV)/.installed-docs ## the documentation as a site, in build/site
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/python -m mkdocs build --quiet

clean: ## remove what these targets made
	rm -rf .venv .venv-* build .pytest_cache .hypothesis .mypy_cache .ruff_cache .benchmarks
	find src tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@scripts/check-toolchain "$(PYTHON)"
	@"$(PYTHON)" -m venv "$(VENV)" || { rm -rf "$(VENV)"; exit 1; }
	@# That of Debian 12 gives up on OpenTelemetry's packages, which each want all the others of one version.
	@"$(VENV)/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade pip || { rm -rf "$(VENV)"; exit 1; }

# Installed as users install it: a wheel, not an editable checkout.
$(VENV)/.installed: $(SOURCES) | $(VENV)/bin/python
	@echo "==> building spanheap into $(VENV)"
	@$(PIP_INSTALL) .
	@touch $@

$(VENV)/.installed-%: $(SOURCES) | $(VENV)/bin/python
	@echo "==> building spanheap[$*] into $(VENV)"
	@$(PIP_INSTALL) '.[$*]'
	@touch $@ $(VENV)/.installed

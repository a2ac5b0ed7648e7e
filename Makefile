# The commands of daily work. All state lies in .venv/, build/ and runs/.
PYTHON ?= python3
JOBS ?= $(shell nproc)
PRESET ?= release
DEMO_ARGS ?=
TEST_ARGS ?=
BENCH_ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
SWIFT_FORMAT := $(or $(shell command -v swift-format),$(wildcard /opt/swift/usr/bin/swift-format))
CMAKE := $(BIN)/cmake

.PHONY: build demo test bench docs format clean setup

build: setup
	@test -f build/$(PRESET)/build.ninja || $(CMAKE) --preset $(PRESET) \
		-DPython_EXECUTABLE=$(CURDIR)/$(BIN)/python -DCMAKE_MAKE_PROGRAM=$(CURDIR)/$(BIN)/ninja
	@$(CMAKE) --build build/$(PRESET) -j $(JOBS)

demo: build
	$(BIN)/olivine train-lm --out runs/demo $(DEMO_ARGS)

test: build
	$(BIN)/python tools/run_tests.py --jobs $(JOBS) $(TEST_ARGS)

bench: build
	$(BIN)/python -m bench.page $(BENCH_ARGS)

docs: setup
	@$(BIN)/python -m pip install --quiet "zensical>=0.0.50"
	$(BIN)/zensical build --strict
	@echo "the site: build/site/README.html"

format: setup
	git ls-files '*.h' '*.cpp' | grep -v -e /generated/ -e ^compat/include/mlx/c/ | xargs -r $(BIN)/clang-format -i
	@if [ -n "$(SWIFT_FORMAT)" ]; then \
		git ls-files '*.swift' | grep -v /generated/ | xargs -r $(SWIFT_FORMAT) format -i; fi
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format --quiet .

clean:
	rm -rf build runs

setup:
	@tools/setup.sh "$(PYTHON)"

# The front door. `make boot` boots a board, `make test` runs everything that CI runs.
BOARD ?= apu2
# What the real boots of the tests run on.
BOARDS ?= apu2 orangepi-pc cubieboard2 virt-arm64 zcu102
# Where the programs of the virtual environment are; tox gives its own.
BIN ?= .venv/bin

.PHONY: help setup boot test lint types unit boards bench schema lint-rules clean
.PHONY: check-lint check-types check-unit check-boot

help:
	@echo "make boot        boot the $(BOARD) in an emulator, through the real chain"
	@echo "                 (make boot BOARD=cubieboard2 for another board)"
	@echo "make test        everything that CI runs: lint, types, unit, boot"
	@echo "make unit        the fast tests (also: make lint, make types)"
	@echo "make boards      the real boots (make boards BOARDS=cubieboard2 for one board)"
	@echo "make bench       the benchmarks"
	@echo "make schema      write docs/board.schema.json from the code"
	@echo "make lint-rules  write docs/lint-rules.md from the code"

setup:
	@scripts/setup

boot: setup
	$(BIN)/harness boot $(BOARD)

# One after another, and stop at the first that fails: the cheap ones come first.
test: setup
	$(MAKE) --no-print-directory check-lint
	$(MAKE) --no-print-directory check-types
	$(MAKE) --no-print-directory check-unit
	$(MAKE) --no-print-directory check-boot

lint: setup check-lint
types: setup check-types
unit: setup check-unit
boards: setup check-boot

check-lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

check-types:
	$(BIN)/mypy

check-unit:
	$(BIN)/python -m pytest -q tests/unit tests/contract

check-boot:
	$(BIN)/python -m pytest -v --durations=15 $(BOARDS:%=--board %) \
	    --junit-xml=reports/boot.xml tests/boot tests/boards

bench: setup
	$(BIN)/python -m benchmarks.boot_overhead
	$(BIN)/python -m benchmarks.arm_boot
	$(BIN)/python -m benchmarks.console
	$(BIN)/python -m benchmarks.lint_tables
	$(BIN)/python -m benchmarks.ask
	$(BIN)/python -m benchmarks.soak
	$(BIN)/python -m benchmarks.agreement --seeds 0-99

schema: setup
	$(BIN)/harness boards schema > docs/board.schema.json

lint-rules: setup
	$(BIN)/python -m harness.lint.docs > docs/lint-rules.md
	$(BIN)/python -m harness.lint.docs docs/rules

clean:
	rm -rf .venv .tox build dist reports .mypy_cache .pytest_cache .ruff_cache

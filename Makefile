# The front door. `make boot` boots a board, `make test` runs everything that CI runs.
BOARD ?= apu2
HARNESS = .venv/bin/harness
TOX = .venv/bin/tox

.PHONY: help setup boot test lint types unit boards bench schema clean

help:
	@echo "make boot    boot the $(BOARD) in an emulator, through the real chain (BOARD=... for another)"
	@echo "make test    everything that CI runs: lint, types, unit, boot"
	@echo "make unit    the fast tests (also: make lint, make types, make boards)"
	@echo "make bench   the benchmarks"
	@echo "make schema  write docs/board.schema.json from the code"

setup:
	@scripts/setup

boot: setup
	$(HARNESS) boot $(BOARD)

test: setup
	$(TOX) run -e lint,types,unit,boot

lint types unit: setup
	$(TOX) run -e $@

boards: setup
	$(TOX) run -e boot

bench: setup
	.venv/bin/python -m benchmarks.boot_overhead
	.venv/bin/python -m benchmarks.console

schema: setup
	$(HARNESS) boards schema > docs/board.schema.json

clean:
	rm -rf .venv .tox build dist reports .mypy_cache .pytest_cache .ruff_cache

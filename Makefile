# Every target makes .venv by itself, and installs again only when pyproject.toml or constraints.txt changed.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
NAME   ?= digits
WORKERS ?= 2

.PHONY: help compare test lint format clean

help:
	@echo 'make compare   train both sides on real data, judge every step, write runs/$(NAME)/report.html (NAME=moons for another)'
	@echo 'make test      lint, types and every test'
	@echo 'make lint      ruff and mypy alone'
	@echo 'make format    let ruff rewrite the layout'
	@echo 'make clean     remove .venv and what the tools left behind'

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test]'
	touch $@

compare: $(READY)
	$(BIN)/handgrad compare $(NAME)

lint: $(READY)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy

test: lint
	$(BIN)/python -m pytest -n $(WORKERS)

format: $(READY)
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis mutants

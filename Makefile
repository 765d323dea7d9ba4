# Every target makes .venv by itself, and installs again only when pyproject.toml or constraints.txt changed.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
NAME   ?= digits
ARGS   ?=
WORKERS ?= 2
N       ?= 100000

# Some machines ask Python for no bytecode: then each process that a command or test starts compiles all it imports.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help compare bench performance atlas test thorough alarms faults fuzz mutants dictionary docs sources lint layout format pictures clean

help:
	@echo 'make compare   train both sides on real data, judge every step, write runs/$(NAME)/report.html'
	@echo '               (NAME=moons for another experiment, ARGS="--epochs 5" for options)'
	@echo 'make bench     time both sides and their peers, about 20 minutes (ARGS=--quick for 2)'
	@echo 'make performance  write docs/performance.md from benchmarks/results/'
	@echo 'make atlas     measure value and derivative of every elementwise op over all float32 numbers, write docs/accuracy.md'
	@echo '               (hours, goes on where it stopped; ARGS="--every 1021" for a sample, minutes)'
	@echo 'make test      lint, types and every test'
	@echo 'make thorough  every test on new examples, ten times as many (slow); prints its seed, SEED=1234 repeats it'
	@echo '               (ARGS=parity_tests/test_parity.py for the front door alone)'
	@echo 'make alarms    judge $(N) random correct nets in each dtype: no verdict may be "wrong" (N=1000 for fewer)'
	@echo 'make fuzz      play hostile programs on both sides until $(N) calls are compared: accepted or refused alike (N=10000 for fewer)'
	@echo 'make faults    kill commands at drawn moments, N for each command, signal and phase, let them go on, compare every byte;'
	@echo '               train for many steps and look at the memory; write docs/reliability.md (N=100; 20 minutes)'
	@echo 'make mutants   change the code of both sides in every small way and see that a test notices (an hour or two)'
	@echo '               (ARGS="scratch.optim.*" for a part, ARGS=--go-on for what an earlier run left)'
	@echo 'make dictionary  write docs/dictionary/ from docstrings, code and judge (ARGS=--all to measure everything anew)'
	@echo 'make docs      build the documentation as a site, into site/, and check it: every link, and every page in Chromium'
	@echo 'make pictures  draw the pictures of README and docs anew (needs Chromium)'
	@echo 'make sources   write docs/sources.md: what the source articles show, measured on both sides (ARGS=--all for all anew)'
	@echo 'make lint      ruff and mypy alone'
	@echo 'make format    let ruff rewrite the layout'
	@echo 'make clean     remove .venv and what the tools left behind'

# The pip that Python 3.11 brings (23.2) holds each of 100,000 files on the index against a list of a thousand tags: a
# newer one took 29 s of processor time for what takes it 54.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --upgrade pip
	$(BIN)/python -m pip install --quiet --no-compile -c constraints.txt -e '.[test]'
	touch $@

compare: $(READY)
	$(BIN)/handgrad compare $(NAME) $(ARGS)

bench: $(READY)
	$(BIN)/handgrad bench $(ARGS)

# The page of the committed results; one that is out of date fails a test.
performance: $(READY)
	$(BIN)/python -m benchmarks.page

# Hours; Ctrl-C and the same command again go on. A page that is out of date fails a test (ARGS=--page writes it alone).
atlas: $(READY)
	$(BIN)/python -m docs.writers.accuracy --workers $(WORKERS) $(ARGS)
	$(BIN)/python -m docs.writers.dictionary

lint: layout
	$(BIN)/mypy

layout: $(READY)
	$(BIN)/ruff format --check
	$(BIN)/ruff check

# The workers share the cores: a product that starts threads of its own would take them from the other worker. Each has a
# half of the files, so that what a file prepares is prepared once, and takes from the other's half at the end. mypy is one
# process: before the tests it would leave a core idle for half a minute.
test: export OMP_NUM_THREADS := 1
test: export OPENBLAS_NUM_THREADS := 1
test: layout
	@$(BIN)/mypy & types=$$!; \
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal; tests=$$?; \
	wait $$types && exit $$tests

thorough: $(READY)
	@seed=$(or $(SEED),$$(date +%s)); \
	echo "The draws of this run: make thorough SEED=$$seed"; \
	HYPOTHESIS_PROFILE=thorough $(BIN)/python -m pytest -n $(WORKERS) --hypothesis-seed=$$seed $(ARGS)

alarms: $(READY)
	$(BIN)/python -m parity_tests.meta.false_alarms $(N) --dtype float32 --workers $(WORKERS)
	$(BIN)/python -m parity_tests.meta.false_alarms $(N) --dtype float64 --workers $(WORKERS)

fuzz: $(READY)
	$(BIN)/python -m parity_tests.meta.fuzz $(N) $(ARGS)

# The measured parts of a page; one that is not the data's fails a test.
faults: $(READY)
	$(BIN)/python -m parity_tests.meta.faults $(if $(filter file,$(origin N)),100,$(N)) $(ARGS)
	$(BIN)/python -m parity_tests.meta.growth

mutants: $(READY)
	$(BIN)/python -m parity_tests.meta.mutants $(WORKERS) $(ARGS)

# Measures and draws what changed; a page that is out of date fails a test.
dictionary: $(READY)
	$(BIN)/python -m docs.writers.dictionary $(ARGS)

# Claims are measured anew, experiments where their recipe changed; a page that is out of date fails a test.
sources: $(READY)
	$(BIN)/python -m docs.writers.articles $(ARGS)

# What only the site needs is installed for it alone.
$(VENV)/.docs: $(READY)
	$(BIN)/python -m pip install --quiet --no-compile -c constraints.txt -e '.[docs]'
	touch $@

docs: $(VENV)/.docs
	$(BIN)/python -m docs.writers.site $(ARGS)

format: $(READY)
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

# The pictures of README and docs: drawn from a run; the top of a report and the board, photographed by a headless Chromium.
pictures: compare
	$(BIN)/python -m docs.writers.readme_pictures
	$(BIN)/python -m docs.writers.board_picture
	chromium --headless --no-sandbox --hide-scrollbars --window-size=1280,1320 \
	    --screenshot=docs/pictures/report.png runs/$(NAME)/report.html

clean:
	rm -rf $(VENV) site .site .mypy_cache .ruff_cache .pytest_cache .hypothesis mutants

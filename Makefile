# Each target does all the set-up it needs, from a fresh clone, and skips what is done already.
.DEFAULT_GOAL := help
.PHONY: help book serve test test-unit test-notebooks test-colab test-book test-live test-notebook7 weights bench lint format lock repository clean

PY := .venv/bin/python
setup = @python=$$(sh tools/find-python.sh) && "$$python" tools/setup.py
BOOK := _build/html
PORT ?= 8000

help:  ## show these lines
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1	/p' $(MAKEFILE_LIST) | awk -F'\t' '{printf "  make %-16s %s\n", $$1, $$2}'

book:  ## execute every chapter and build the book into _build/html
	$(setup) environment assets data
	@$(PY) tools/build_book.py

serve:  ## build the book if it is not there, and serve it to this machine's browser (PORT=8000)
	@test -f $(BOOK)/index.html || $(MAKE) --no-print-directory book
	@$(PY) tools/serve.py $(BOOK) $(PORT)

test:  ## everything: unit tests, every chapter as Colab runs it, the book and JupyterLab in a browser
	$(setup) environment assets axe data browser colab lab
	@$(PY) -m pytest --durations=15

test-unit:  ## the package and the tools, in a minute or two
	$(setup) environment data
	@$(PY) -m pytest -m "not notebooks and not book and not live"

test-notebooks:  ## the notebooks' rules, and every chapter as Colab runs it
	$(setup) environment data colab
	@$(PY) -m pytest tests/notebooks --durations=15

test-colab: test-notebooks

test-book:  ## build the book and look at every page in a browser
	$(setup) environment assets axe data browser
	@$(PY) -m pytest tests/book

test-live:  ## the explorers in JupyterLab, with a kernel
	$(setup) environment data browser lab
	@$(PY) -m pytest tests/live

test-notebook7:  ## the same in Notebook 7, and in the classic notebook with Colab's ipywidgets 7.7.1
	$(setup) environment data browser colab lab
	@$(PY) -m pytest tests/live --front-end notebook7 --front-end classic

weights:  ## train the shipped models whose recipe changed (ONLY=name for one)
	$(setup) environment data
	@$(PY) tools/train_weights.py $(if $(ONLY),--only $(ONLY))
	@$(PY) tools/codes.py
	@$(if $(ONLY),,$(PY) tools/replay.py)

bench:  ## time and score against the budgets; prints the table
	$(setup) environment data
	@$(PY) tools/bench.py

lint:  ## say what breaks the rules of code and notebooks
	$(setup) environment
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) tools/notebooks.py check

format:  ## put code and notebooks into their one form
	$(setup) environment
	@$(PY) -m ruff check --fix-only --quiet .
	@$(PY) -m ruff format .
	@$(PY) tools/notebooks.py strip

repository:  ## move to another address: make repository URL=https://github.com/owner/name
	$(setup) environment
	@$(PY) tools/repository.py $(URL)

lock:  ## write requirements.lock anew from the newest versions that pyproject.toml allows
	@python=$$(sh tools/find-python.sh) && "$$python" tools/lock.py

clean:  ## remove what was built, keeping the environments and the data
	rm -rf _build .pytest_cache .ruff_cache .hypothesis

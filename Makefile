# Each target does all the set-up it needs, from a fresh clone, and skips what is done already. What
# they do stands in tools/run.py, which needs no make: `python tools/run.py book`.
.DEFAULT_GOAL := help
TARGETS := book serve lab test test-unit test-notebooks test-book test-live test-notebook7 weights bench lint format repository
.PHONY: help $(TARGETS) test-colab lock clean

run = @python=$$(sh tools/find-python.sh) && "$$python" tools/run.py

help:  ## show these lines
	$(run)

book:
	$(run) book

serve:
	$(run) serve $(PORT)

lab:
	$(run) lab $(PORT)

test:
	$(run) test

test-unit:
	$(run) test-unit

test-notebooks:
	$(run) test-notebooks

test-colab: test-notebooks

test-book:
	$(run) test-book

test-live:
	$(run) test-live

test-notebook7:
	$(run) test-notebook7

weights:
	$(run) weights $(if $(ONLY),--only $(ONLY))

bench:
	$(run) bench

lint:
	$(run) lint

format:
	$(run) format

repository:
	$(run) repository $(URL)

lock:  ## write requirements.lock anew from the newest versions that pyproject.toml allows
	@python=$$(sh tools/find-python.sh) && "$$python" tools/lock.py

clean:  ## remove what was built, keeping the environments and the data
	rm -rf _build .pytest_cache .ruff_cache .hypothesis

# A thin layer over tools/run.py, which says what each target does and needs no make:
# `python tools/run.py book` is `make book`, and `make help` is `python tools/run.py`.
.DEFAULT_GOAL := help
TARGETS := book serve pdf lab test test-unit test-notebooks test-book test-live test-notebook7 test-firefox test-all weights bench mutants lighthouse lint format repository lock clean
.PHONY: help $(TARGETS) test-colab

run = @python=$$(sh tools/find-python.sh) && "$$python" tools/run.py

help:
	$(run)

$(TARGETS):
	$(run) $@ $(filter PORT=% ONLY=% URL=% RUNS=%,$(MAKEOVERRIDES))

test-colab: test-notebooks

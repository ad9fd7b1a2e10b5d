# Every target runs the set-up that it needs; completed steps are not repeated.
.DEFAULT_GOAL := help
.PHONY: help setup lab notebook run slides test lint bench hostile doc docs-cli doctor clean

# Use the kernel `rust` of this folder's virtual environment, even if the machine has another one.
export JUPYTER_PREFER_ENV_PATH := 1

PYTHON := .venv/bin/python

help:
	@echo "make lab     JupyterLab with the six notebooks (set-up included: 11 to 31 minutes, once)"
	@echo "make notebook NAME=try   notebooks/try.ipynb, whose first cell loads the crate"
	@echo "make run     execute the notebooks; reports, slides and figures in build/"
	@echo "make slides  the slide decks of the last run again, code hidden"
	@echo "make test    formatting, lints, unit and integration tests"
	@echo "make lint    the lints alone"
	@echo "make bench   speed compared with PyTorch, Keras, burn and candle (their set-up once; then 45 minutes)"
	@echo "make hostile attacks on parsers, server, trainings and studies; HOSTILE_MINUTES=10 by default"
	@echo "make doc     the crate's documentation, for a browser"
	@echo "make setup   the set-up alone"
	@echo "make docs-cli  docs/cli.md again, from what fer --help prints"
	@echo "make doctor  a page about this machine and set-up, for a bug report"
	@echo "make clean   remove build/; runs, data and .venv are kept"
	@echo
	@echo "FER2013_DIR=<folder> names the images; FER_EPOCHS=2 and the like set hyperparameters."

setup:
	@.setup/setup

# LAB="--no-browser --ip=0.0.0.0" and the like are passed on to JupyterLab.
# It opens when it is installed; a cell that is run before everything is compiled waits, and names the reason.
lab:
	@.setup/setup --lab $(LAB)

notebook:
	@python3 .setup/new_notebook.py "$(or $(NAME),scratch)"

run: setup
	@$(PYTHON) .setup/run_notebooks.py

slides: setup
	@$(PYTHON) .setup/run_notebooks.py --slides

# What compiles the tests lints them on the way. `cargo clippy` is the same in an editor, but checks the
# 160 crates below once more, which takes minutes on a fresh machine.
test:
	@.setup/setup --tests
	cargo fmt --all --check
	$(PYTHON) .setup/rust_kernel/environment.py RUSTC_WORKSPACE_WRAPPER="$(CURDIR)/.setup/lint" \
	    cargo test --locked --features serve
	$(PYTHON) -m pytest -rs tests

lint: setup
	$(PYTHON) .setup/rust_kernel/environment.py RUSTC_WORKSPACE_WRAPPER="$(CURDIR)/.setup/lint" \
	    cargo check --locked --features serve --tests --bins --examples

# BENCH="--rounds 1 --work inference" and the like are passed on; --help lists them.
bench:
	@.setup/setup --torch
	@$(PYTHON) fer_nb/benches/bench.py $(BENCH)

# tests/test_docs.py fails while the page and the program differ.
docs-cli: setup
	@$(PYTHON) .setup/cli_page.py

# Attacks for so many minutes, and a table of what was tried and what failed.
HOSTILE_MINUTES ?= 10
hostile:
	@.setup/setup --tests
	$(PYTHON) .setup/rust_kernel/environment.py cargo build --locked --features serve --bins --example hostile_parsers
	@$(PYTHON) tests/hostile/campaign.py --minutes $(HOSTILE_MINUTES)

# The crate's documentation, in build/target/*/doc/fer_nb/index.html.
doc: setup
	$(PYTHON) .setup/rust_kernel/environment.py cargo doc --locked --no-deps --features serve

# Changes nothing, and works without a set-up.
doctor:
	@if [ -x $(PYTHON) ]; then $(PYTHON) .setup/doctor.py; else python3 .setup/doctor.py; fi

# The stamps say what .venv holds; a step whose result is gone is done again whatever they say.
clean:
	@if [ -d build ]; then find build -mindepth 1 -maxdepth 1 ! -name stamps -exec rm -rf {} +; fi

# Two commands matter: `make course` for learners, `make test` for contributors.
# Every target makes what it needs in .venv and nothing outside this folder.

PYTHON ?= python3
FOLDER ?= dljourney-course
NAME ?=
ONLY ?=
MINUTES ?= 30
TWO = -n 2 --dist loadgroup --no-loadscope-reorder  # two processes; tests/conftest.py makes the groups
UV := $(shell command -v uv 2>/dev/null)
BIN := .venv/bin
SOURCES := settings.ini setup.py pyproject.toml constraints.txt

ifdef UV
VENV = uv venv --quiet --python '>=3.11,<3.14' $(1)
INSTALL = uv pip install --quiet --python $(1)/bin/python $(if $(TORCH_BACKEND),--torch-backend $(TORCH_BACKEND)) -c constraints.txt
else
VENV = $(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else "dljourney needs Python 3.11, 3.12 or 3.13 and $(PYTHON) is " + sys.version.split()[0] + ": try make PYTHON=python3.12 $@, or install uv")' && $(PYTHON) -m venv $(1)
INSTALL = $(if $(TORCH_BACKEND),echo 'TORCH_BACKEND needs uv (https://docs.astral.sh/uv): installing the default torch';) $(1)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
endif

help:  ## show this
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/:.*##/\t/' | expand -t 16

course: .venv/.course  ## install what is missing, lay the course in dljourney-course/ and open it (FOLDER=..., ARGS=...)
	@$(BIN)/dljourney course $(FOLDER) $(ARGS)

test: .venv/.dev  ## run every notebook and every test
	$(BIN)/python -m pytest $(TWO) $(ARGS)

test-fast: .venv/.dev  ## the same without browser, notebooks and site
	$(BIN)/python -m pytest -m 'not soak and not browser and not notebooks and not site' $(TWO) $(ARGS)

soak: .venv/.dev  ## the long tests (MINUTES=30)
	MINUTES=$(MINUTES) REPEAT=10 $(BIN)/python -m pytest -m 'soak or browser' --timeout 0 $(ARGS)

test-lowest: .venv-lowest/.dev  ## the fast tests with the lowest versions that settings.ini declares (needs uv)
	.venv-lowest/bin/python -m pytest -m 'not soak and not browser and not notebooks' \
	  --deselect 'tests/test_house.py::test_the_code_is_clean_and_typed[mypy]' $(ARGS)  # old torch's own types are wrong

edit: .venv/.dev  ## open JupyterLab on nbs/, with nbdev's git hooks in place
	$(BIN)/nbdev_install_hooks
	@$(BIN)/python -c 'import sys; from dljourney.kit.course import open_lab; sys.exit(open_lab("nbs"))'

export: .venv/.dev  ## clean the notebooks and write the modules from them
	$(BIN)/nbdev_clean
	$(BIN)/nbdev_export

notebooks: export  ## execute the notebooks and save their outputs (NAME=04_sgd for one)
	$(BIN)/python -m dljourney.kit.course.notebooks nbs $(NAME)

docs: .venv/.dev  ## build the site to read without a kernel: _docs/html/index.html
	$(BIN)/python docs/build.py

experiments: .venv/.dev  ## run the long experiments and store their rows (NAME=... for one)
	$(BIN)/python -m benchmarks.experiments $(NAME)

bench: .venv-bench/.bench  ## measure dljourney beside its peers (ONLY=sgd for one topic)
	ONLY=$(ONLY) .venv-bench/bin/python -m benchmarks.run

.venv/.course: $(SOURCES)
	@echo 'Setting up .venv: a few minutes the first time, most of it downloading torch'
	@test -x $(BIN)/python || $(call VENV,.venv)
	@$(call INSTALL,.venv) -e '.[course]'
	@touch $@

.venv/.dev: $(SOURCES)
	@echo 'Setting up .venv for development: a few minutes the first time'
	@test -x $(BIN)/python || $(call VENV,.venv)
	@$(call INSTALL,.venv) -e '.[course,onnx,distributed,docs,dev]'
	@touch .venv/.course $@

.venv-lowest/.dev: $(SOURCES)
	@test -n '$(UV)' || { echo 'make test-lowest needs uv: https://docs.astral.sh/uv'; exit 1; }
	@echo 'Setting up .venv-lowest: a few minutes the first time'
	@test -x .venv-lowest/bin/python || uv venv --quiet --python 3.11 .venv-lowest
	@uv pip install --quiet --python .venv-lowest/bin/python --resolution lowest-direct \
	  $(if $(TORCH_BACKEND),--torch-backend $(TORCH_BACKEND)) -e '.[course,onnx,distributed,dev]'
	@touch $@

.venv-bench/.bench: $(SOURCES) benchmarks/requirements.txt
	@echo 'Setting up .venv-bench with the peers: a few minutes the first time'
	@test -x .venv-bench/bin/python || $(call VENV,.venv-bench)
	@grep -vE '^(fastcore|nbdev|execnb|ghapi)=' constraints.txt > .venv-bench/constraints.txt  # fastai needs newer ones
	@$(subst -c constraints.txt,-c .venv-bench/constraints.txt,$(call INSTALL,.venv-bench)) -e '.[course]' -r benchmarks/requirements.txt
	@touch $@

clean:  ## remove what make made (never the course folder)
	rm -rf .venv .venv-bench .venv-lowest build dist *.egg-info _docs

.PHONY: help course test test-fast test-lowest soak edit export notebooks docs experiments bench clean
.DEFAULT_GOAL := help

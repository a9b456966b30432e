# Every target sets up its own virtual environment, .venv, from constraints.txt.
PYTHON ?= python3.11
BIN := .venv/bin
READY := .venv/.ready

.PHONY: run test fuzz lint types docs wheel clean

$(READY): constraints.txt setup.cfg pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[sample,test,dev,docs]"
	touch $(READY)

# The whole way on the sample: text to an installed package, spacy.load("crossner_ai").
run: $(READY)
	$(BIN)/python -m spacy project run all

# A process a core: threads of several would wait for one another. A process that is done takes over tests of another.
test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist worksteal --durations 30

# 10,000 files, valid and broken, through `convert`; then every property with 500 examples in place of 20.
fuzz: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --hypothesis-profile nightly tests/data/test_fuzz.py tests/data/test_fuzz_json.py
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --hypothesis-profile thorough -m hypothesis

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

# The site of the docs, in build/site: index.html opens in a browser. A broken link is an error.
docs: $(READY)
	$(BIN)/mkdocs build --strict

# The wheel, tried out in an environment that has not seen the source tree.
wheel: $(READY)
	rm -rf build dist
	$(BIN)/python -m build --wheel --outdir dist
	$(PYTHON) -m venv --clear build/clean
	build/clean/bin/python -m pip install --quiet --constraint constraints.txt torch
	build/clean/bin/python -m pip install --quiet --constraint constraints.txt dist/*.whl
	cd build/clean && bin/python -c 'import spacy; nlp = spacy.blank("en"); nlp.add_pipe("crf_ner"); print(nlp.pipe_names)'

clean:
	rm -rf .venv build dist corpus training metrics packages project.lock
	rm -rf $(foreach name,corpus training metrics project.lock,projects/papers/*/$(name))

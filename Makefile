# All targets use the virtual environment .venv, which is created from constraints.txt if needed.
PYTHON ?= python3.11
BIN := .venv/bin
READY := .venv/.ready
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist worksteal

.PHONY: run test data fuzz lint types docs wheel clean

$(READY): constraints.txt setup.cfg pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[sample,test,dev,docs]"
	touch $(READY)

# Run the whole project on the sample, from text to an installed package: spacy.load("crossner_ai").
run: $(READY)
	$(BIN)/python -m spacy project run all

# One process per core with one thread each, so that threads do not compete. Idle processes take tests from others.
test: $(READY)
	$(PYTEST) --durations 30 -m "not docs and not real_data"

# Run the tests that need the folder of real data beside the repository; without the folder they are skipped.
data: $(READY)
	$(PYTEST) -m real_data

# Convert 10,000 valid and broken files; then run all property-based tests with 500 examples instead of 20.
fuzz: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --hypothesis-profile nightly tests/data/test_fuzz.py tests/data/test_fuzz_json.py
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --hypothesis-profile thorough -m hypothesis

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

# Build the docs in build/site; open index.html in a browser. Broken links are errors. Then run the code of all pages.
docs: $(READY)
	$(BIN)/mkdocs build --strict
	$(PYTEST) -m docs

# Build the wheel and test it in a new environment without the source tree.
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

# All targets use the virtual environment .venv, which is created from constraints.txt if needed.
PYTHON ?= python3.11
BIN := .venv/bin
READY := .venv/.ready
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist worksteal

FIVE := .venv-transformers5/bin

.PHONY: run test transformers5 pythons data fuzz lint types docs wheel clean

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

# Test encoders and components with transformers 5 and without spacy-transformers, which does not work with it.
transformers5: .venv-transformers5/.ready
	OMP_NUM_THREADS=1 $(FIVE)/python -m pytest --numprocesses auto --dist worksteal tests/test_without_spacy_transformers.py \
		tests/encoders tests/core tests/methods tests/dapt

# pip cannot meet the requirements of spacy-transformers and transformers 5 together, so the package is installed alone
# after its other requirements.
.venv-transformers5/.ready: constraints.txt setup.cfg pyproject.toml
	$(PYTHON) -m venv --clear .venv-transformers5
	grep -vE '^(transformers|tokenizers|huggingface_hub|spacy-transformers|spacy-alignments)==' constraints.txt \
		> .venv-transformers5/constraints.txt
	$(FIVE)/python -c 'from setuptools.config.setupcfg import read_configuration as read; \
		options = read("setup.cfg")["options"]; \
		lines = options["install_requires"] + options["extras_require"]["sample"] + options["extras_require"]["test"]; \
		print(*(line for line in lines if "transformers" not in line), "transformers>=5.3,<6", sep="\n")' \
		> .venv-transformers5/requirements.txt
	$(FIVE)/python -m pip install --quiet --constraint .venv-transformers5/constraints.txt torch
	$(FIVE)/python -m pip install --quiet --constraint .venv-transformers5/constraints.txt \
		--requirement .venv-transformers5/requirements.txt
	$(FIVE)/python -m pip install --quiet --no-deps --editable .
	touch .venv-transformers5/.ready

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

# Test the wheel and the components on other versions of Python: make pythons PYTHONS="python3.12 python3.13". torch has no
# pin there, since the index of each version has its own build.
PYTHONS ?= python3.12
pythons: $(READY)
	rm -rf build/pythons
	$(BIN)/python -m build --wheel --no-isolation --outdir build/pythons/dist
	git ls-files tests configs assets project.yml | xargs cp --parents -t build/pythons
	grep -vE "^(torch|triton|nvidia-.*|cuda-.*)==" constraints.txt > build/pythons/constraints.txt
	set -e; for python in $(PYTHONS); do \
		$$python -m venv --clear build/pythons/$$python; \
		build/pythons/$$python/bin/python -m pip install --quiet --constraint build/pythons/constraints.txt \
			"$$(echo build/pythons/dist/*.whl)[sample,test]"; \
		(cd build/pythons && OMP_NUM_THREADS=1 $$python/bin/python -m pytest --numprocesses auto --dist worksteal \
			-c ../../pyproject.toml --rootdir . tests/core tests/methods tests/encoders); \
	done

clean:
	rm -rf .venv .venv-transformers5 build dist corpus training metrics packages project.lock
	rm -rf $(foreach name,corpus training metrics project.lock,projects/papers/*/$(name))

"""Fixtures for all tests: a tiny encoder, annotated docs, a pipeline that knows them, the folder of real data."""

import gc
import os
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

# No test uses the network. Set before the first import of the Hugging Face libraries, which read the variable once.
os.environ["HF_HUB_OFFLINE"] = "1"

import catalogue
import pytest
import spacy
import torch
from hypothesis import settings
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import fix_random_seed
from thinc.compat import has_cupy_gpu, has_torch_cuda_gpu

from spacy_crossner.annotations.domains import without_annotation
from spacy_crossner.data import convert, stats
from spacy_crossner.data.tokenizing import blank_pipeline

# `--hypothesis-profile`, or the variable HYPOTHESIS_PROFILE, tries more examples, as `make fuzz` does.
# No deadline: machines differ.
settings.register_profile("ci", max_examples=20, deadline=None, database=None)
settings.register_profile("thorough", max_examples=500, deadline=None)
settings.register_profile("nightly", max_examples=10_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

# spaCy's registries search the entry points of all packages at each look-up, which is slow. Cached here by group.
catalogue.AVAILABLE_ENTRY_POINTS = {group: [*entry_points(group=group)] for group in entry_points().groups}

DATA = Path(__file__).parents[1] / "../shared/data"

WORDS = ["the", "of", "in", "ada", "paris", "met", "lab", "works", "##ing", "##land", "##ton"]
CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,;:!?'\"()-/&%$"

# Each sentence as tokens, a tagged one as token|tag.
SENTENCES = """
Ada|B-person Lovelace|I-person wrote notes in London|B-place .
The Analytical|B-thing Engine|I-thing was never built .
Grace|B-person Hopper|I-person found a moth in the Mark|B-thing II|I-thing .
It rained all day .
Alan|B-person Turing|I-person went to Manchester|B-place .
Paris|B-place and Rome|B-place keep old copies of it .
Who fixed the Colossus|B-thing ?
Tommy|B-person Flowers|I-person did , in Dollis|B-place Hill|I-place .
Nobody came .
Konrad|B-person Zuse|I-person showed the Z3|B-thing in Berlin|B-place .
The lamp was still on .
Edsger|B-person taught in Eindhoven|B-place and Austin|B-place .
A letter from New|B-place York|I-place arrived late .
Radia|B-person Perlman|I-person drew the tree by hand .
They sold the last PDP|B-thing - 11|I-thing in spring .
Yes , really !
Barbara|B-person Liskov|I-person named it CLU|B-thing .
From Oslo|B-place came Simula|B-thing 67|I-thing .
Wait for me at the station .
Margaret|B-person keeps a Lisp|B-thing Machine|I-thing in Boston|B-place .
"""


def pytest_collection_finish():
    """Keep the garbage collector from visiting what the libraries made when they were imported: it stays to the end."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


@cache
def spacy_trf_problem():
    """Return why spacy-transformers cannot be imported, as under transformers 5; an empty text if it can be."""
    try:
        import_module("spacy_transformers")
    except ImportError as error:
        return str(error)
    return ""


def pytest_ignore_collect(collection_path):
    """Leave out the folder of the layers on spacy-transformers where it cannot be imported."""
    return True if collection_path.name == "spacy_trf" and spacy_trf_problem() else None


def pytest_runtest_setup(item):
    """Skip a test with the mark `spacy_trf` where spacy-transformers cannot be imported."""
    if item.get_closest_marker("spacy_trf") and (problem := spacy_trf_problem()):
        pytest.skip(f"spacy-transformers cannot be imported: {problem}")


def pytest_collection_modifyitems(items):
    """Mark the tests of real data. Run the slowest tests first, or one process would run them while others are idle."""
    for item in items:
        if "crossner_data" in item.fixturenames:
            item.add_marker("real_data")
    items.sort(key=lambda item: item.path.parent.name != "projects")


@pytest.fixture(scope="session", autouse=True)
def _shared_pipelines():
    """Share one blank pipeline for each language, because making a pipeline takes longer than reading a small file."""
    shared = cache(blank_pipeline)
    with pytest.MonkeyPatch.context() as patch:
        for module in (convert, stats):
            patch.setattr(module, "blank_pipeline", shared)
        yield


@pytest.fixture(scope="session", autouse=True)
def _single_precision():
    """Let "auto" be single precision on all machines: tests compare results up to the rounding of single precision."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
            patch.setattr(torch.cpu, name, lambda: False, raising=False)
        yield


@pytest.fixture(scope="session")
def annotated_docs():
    """Return a function that makes 20 gold docs with the vocabulary of a pipeline. Labels: person, place and thing."""

    def make(nlp):
        docs = []
        for line in SENTENCES.strip().splitlines():
            pairs = [token.partition("|") for token in line.split()]
            docs.append(Doc(nlp.vocab, words=[word for word, _, _ in pairs], ents=[tag or "O" for _, _, tag in pairs]))
        return docs

    return make


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory):
    """Return the folder of a BERT with random weights and a width of 16, whose tokenizer accepts any text."""
    # Imported here, because the import takes seconds and most tests do not need it.
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("tiny_encoder")
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces += [*CHARACTERS, *(f"##{character}" for character in CHARACTERS), *WORDS]
    vocab = folder / "vocab.txt"
    vocab.write_text("\n".join(pieces) + "\n", encoding="utf8")
    # From the folder: transformers 4 and 5 have different names for the argument of the constructor.
    tokenizer = BertTokenizerFast.from_pretrained(folder, do_lower_case=True, model_max_length=64)
    config = BertConfig(
        vocab_size=len(pieces),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = BertModel(config)
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder, safe_serialization=True)
    return folder


needs_gpu = pytest.mark.skipif(not (has_cupy_gpu and has_torch_cuda_gpu), reason="needs a GPU")


@pytest.fixture(params=[pytest.param(-1, id="cpu"), pytest.param(0, id="gpu", marks=needs_gpu)])
def use_gpu(request):
    """Return the device to train on. A test with this fixture runs on the CPU, and on a GPU if the machine has one."""
    yield request.param
    spacy.require_cpu()


@pytest.fixture(scope="session")
def crossner_data():
    """Return the folder of real data beside the repository. If it does not exist, the test is skipped."""
    if not DATA.is_dir():
        pytest.skip("no folder ../shared/data beside the repository")
    return DATA.resolve()


@pytest.fixture(scope="session")
def learn_by_heart(annotated_docs):
    """Return a function that returns a pipeline with one component, `ner`, overfitted on 20 docs, and the docs."""

    def learn(factory, config, lang="en", updates=40, learn_rate=0.001):
        fix_random_seed(0)
        nlp = spacy.blank(lang)
        nlp.add_pipe(factory, name="ner", config=config)
        docs = annotated_docs(nlp)
        examples = [Example(without_annotation(doc, nlp.vocab), doc) for doc in docs]
        optimizer = nlp.initialize(lambda: examples)
        optimizer.learn_rate = learn_rate
        for _ in range(updates):
            nlp.update(examples, sgd=optimizer)
        return nlp, docs

    return learn

import pytest
import spacy
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Config
from typer.testing import CliRunner

from spacy_crossner.annotations.domains import without_annotation
from spacy_crossner.cli import app
from spacy_crossner.data.docbin import write_docbin
from spacy_crossner.training.dev_set import why_all_scores_are_0

WEIGHTS = {"ents_f": 1.0, "ents_p": None}
WORDS = ["Ada", "met", "Grace"]


@pytest.fixture(scope="module")
def nlp():
    nlp = spacy.blank("en")
    nlp.add_pipe("crf_ner").add_labels(["person", "place"])
    nlp.add_pipe("sentencizer")
    return nlp


def examples(nlp, *tags):
    docs = [Doc(nlp.vocab, words=WORDS, ents=[one, "O", "O"] if one else None) for one in tags]
    return [Example(without_annotation(doc, nlp.vocab), doc) for doc in docs]


@pytest.mark.parametrize(
    ("tags", "problem"),
    [
        ([None, None], "has no entity annotation"),
        ([], "has no entity annotation"),
        (["O", None], "has no entity"),
        (
            ["B-disease", "B-gene", "O"],
            "only has entities of the types disease, gene; the labels of the pipeline are person, place",
        ),
        (["B-disease", "B-place"], None),
        ([None, "B-person"], None),
    ],
)
def test_a_dev_set_on_which_all_scores_are_0_is_told(nlp, tags, problem):
    assert why_all_scores_are_0(nlp, examples(nlp, *tags), WEIGHTS) == problem


def test_what_is_selected_by_something_else_needs_no_entity(nlp):
    assert why_all_scores_are_0(nlp, examples(nlp, None), {"tag_acc": 1.0, "ents_f": 0.0}) is None
    assert why_all_scores_are_0(spacy.blank("en"), examples(nlp, None), WEIGHTS) is None


def test_training_warns_before_it_begins(tmp_path, annotated_docs):
    nlp = spacy.blank("en")
    docs = annotated_docs(nlp)
    write_docbin(docs, tmp_path / "train.spacy")
    write_docbin([without_annotation(doc, nlp.vocab) for doc in docs], tmp_path / "dev.spacy")
    config = {
        "nlp": {"lang": "en", "pipeline": ["ner"]},
        "components": {"ner": {"factory": "crf_ner"}},
        "corpora": {
            name: {"@readers": "spacy.Corpus.v1", "path": str(tmp_path / f"{name}.spacy")} for name in ("train", "dev")
        },
        "training": {
            "seed": 0,
            "gpu_allocator": None,
            "max_steps": 1,
            "eval_frequency": 1,
            "train_corpus": "corpora.train",
            "dev_corpus": "corpora.dev",
            "batcher": {"@batchers": "spacy_crossner.PaddedBatcher.v1", "size": 8},
            "optimizer": {"@optimizers": "spacy_crossner.HeadAdamW.v1"},
            "score_weights": {"ents_f": 1.0},
        },
        "initialize": {},
    }
    Config(config).to_disk(tmp_path / "config.cfg")
    result = CliRunner().invoke(app, ["train", str(tmp_path / "config.cfg"), "--output", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    before, _, _ = result.output.partition("Training pipeline")
    assert "[C094]" in before
    said = " ".join(before.split())
    assert "has no entity annotation: every score will be 0, and no pipeline can be selected by it" in said

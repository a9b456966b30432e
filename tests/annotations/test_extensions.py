"""Custom attributes of ours beside those that other libraries register under the same names."""

import subprocess
import sys

import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_crossner.annotations.domains import get_domain, register_domain_extension, set_domain
from spacy_crossner.annotations.scores import get_score, register_score_extension, set_runner_up, set_score
from spacy_crossner.errors import CrossnerError

TEXT = "Ada met Grace."


@pytest.fixture(scope="module")
def nlp():
    """Give a pipeline that finds two entities in TEXT."""
    nlp = spacy.blank("en")
    nlp.add_pipe("crf_ner")
    example = Example.from_dict(nlp.make_doc(TEXT), {"entities": [(0, 3, "PERSON"), (8, 13, "PERSON")]})
    optimizer = nlp.initialize(lambda: [example])
    optimizer.learn_rate = 0.01
    for _ in range(6):
        nlp.update([example], sgd=optimizer)
    return nlp


@pytest.fixture(autouse=True)
def _unregistered():
    """Take our attributes away for a test, as before our package is imported."""
    ours = [(owner, name, owner.remove_extension(name)) for owner, name in ((Span, "score"), (Doc, "domain"))]
    yield
    for owner, name, (_, _, getter, setter) in ours:
        owner.set_extension(name, getter=getter, setter=setter, force=True)


def predict(nlp):
    doc = nlp(TEXT)
    assert len(doc.ents) == 2
    for ent in doc.ents:
        assert isinstance(ent._.score, float)
        assert ent._.score == get_score(ent) > 0.5


def test_a_score_is_a_float(nlp):
    register_score_extension()
    predict(nlp)


def test_another_librarys_default_before_ours(nlp):
    Span.set_extension("score", default=None)
    register_score_extension()
    predict(nlp)


def test_another_librarys_default_by_force_after_ours(nlp):
    register_score_extension()
    Span.set_extension("score", default=0.0, force=True)
    predict(nlp)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("how", [{"getter": lambda span: 2.0}, {"method": lambda span: 2.0}], ids=["getter", "method"])
def test_another_librarys_own_answer_is_an_error(nlp, how, when):
    if when == "after":
        register_score_extension()
    Span.set_extension("score", **how, force=True)
    if when == "before":
        register_score_extension()
    with pytest.raises(CrossnerError, match=r"\[C023\] Span\._\.score belongs to another library: .*test_extensions"):
        predict(nlp)


def test_another_librarys_domain_is_ours():
    Doc.set_extension("domain", default="web")
    register_domain_extension()
    doc = spacy.blank("en")("Ada")
    doc._.domain = "ai"
    assert get_domain(doc) == "ai"
    set_domain(doc, "music")
    assert doc._.domain == "music"
    assert get_domain(doc[:].as_doc(copy_user_data=True)) == "music"


def test_the_package_registers_its_attributes_where_they_are_free():
    """In a process of its own, as this one has imported the package."""
    code = """
from spacy.tokens import Doc, Span
Span.set_extension("score", default=None)
import spacy_crossner
from spacy_crossner.annotations.domains import get_domain
assert Doc.get_extension("domain")[2] is get_domain
assert Span.get_extension("score") == (None, None, None, None)
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


def test_two_labels_at_one_place_keep_their_scores():
    doc = Doc(spacy.blank("en").vocab, words=["Ada", "met", "Grace"])
    entity, other = Span(doc, 0, 1, label="PERSON"), Span(doc, 0, 1, label="PLACE")
    set_score(entity, 0.75)
    set_runner_up(other, 0.25)
    assert (get_score(entity), get_score(other), get_score(doc[0:1])) == (0.75, 0.25, 0.75)
    assert doc.user_data[("._.", "score", 0, 3)] == 0.75
    assert get_score(Span(doc, 1, 2, label="PERSON")) is None
    # Another component's label at the place is not what was scored.
    assert get_score(Span(doc, 0, 1, label="RULE")) is None
    # An entity of the other label later on: its score is what counts.
    set_score(other, 0.5)
    assert (get_score(other), get_score(doc[0:1]), get_score(entity)) == (0.5, 0.5, None)
    joined = Doc.from_docs([Doc(doc.vocab, words=["Yes"]), doc])
    assert get_score(Span(joined, 1, 2, label="PLACE")) == 0.5

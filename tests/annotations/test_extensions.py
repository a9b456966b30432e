"""Custom attributes of ours beside those of other libraries, each case in a process of its own."""

import subprocess
import sys

import pytest
import spacy
from spacy.tokens import Doc, Span

from spacy_crossner.annotations.scores import get_score, set_runner_up, set_score

PIPELINE = """
import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example

def load():
    nlp = spacy.blank("en")
    nlp.add_pipe("crf_ner")
    example = Example.from_dict(nlp.make_doc("Ada met Grace."), {"entities": [(0, 3, "PERSON"), (8, 13, "PERSON")]})
    optimizer = nlp.initialize(lambda: [example])
    for _ in range(20):
        nlp.update([example], sgd=optimizer)
    return nlp

def show(nlp):
    from spacy_crossner.annotations.scores import get_score
    doc = nlp("Ada met Grace.")
    assert len(doc.ents) == 2
    for ent in doc.ents:
        assert isinstance(ent._.score, float) and ent._.score == get_score(ent) and ent._.score > 0.5
    print("the same")
"""

CASES = {
    "a default before ours": "Span.set_extension('score', default=None); show(load())",
    "a default by force after ours": ("nlp = load(); Span.set_extension('score', default=0.0, force=True); show(nlp)"),
    "ours alone": "show(load())",
}


def run(code):
    return subprocess.run([sys.executable, "-W", "ignore", "-c", PIPELINE + code], capture_output=True, text=True)


@pytest.mark.parametrize("case", CASES)
def test_another_librarys_score_is_the_same_float(case):
    out = run(CASES[case])
    assert (out.stdout.strip(), out.returncode) == ("the same", 0), out.stderr


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("how", ["getter=lambda span: 2.0", "method=lambda span: 2.0"])
def test_another_librarys_own_answer_is_an_error(when, how):
    steps = [f"Span.set_extension('score', {how}, force=True)", "nlp = load()"]
    out = run("\n".join([*(steps if when == "before" else steps[::-1]), "show(nlp)"]))
    assert out.returncode == 1
    assert "[C023] Span._.score belongs to another library: __main__" in out.stderr.splitlines()[-1]


def test_another_librarys_domain_is_ours():
    code = """
Doc.set_extension("domain", default="web")
nlp = spacy.blank("en")
import spacy_crossner
from spacy_crossner.annotations.domains import get_domain, set_domain
doc = nlp("Ada")
doc._.domain = "ai"
assert get_domain(doc) == "ai"
set_domain(doc, "music")
assert doc._.domain == "music"
assert get_domain(doc[:].as_doc(copy_user_data=True)) == "music"
"""
    out = run(code)
    assert out.returncode == 0, out.stderr


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

import json

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span
from typer.testing import CliRunner

from spacy_crossner.annotations.domains import get_domain, set_domain, set_language
from spacy_crossner.cli import app
from spacy_crossner.data.docbin import write_docbin
from spacy_crossner.evaluation.evaluate import evaluate


@Language.component("test_find_places")
def find_places(doc):
    """Find tokens that begin with an upper-case letter, and remember the domain."""
    doc.set_ents([Span(doc, token.i, token.i + 1, "place") for token in doc if token.text[:1].isupper()])
    doc.user_data["seen"] = get_domain(doc)
    return doc


@pytest.fixture
def nlp():
    nlp = spacy.blank("en")
    nlp.add_pipe("test_find_places")
    return nlp


def gold_docs(nlp):
    docs = [
        # Blanks are not known. "Oslo" is found with either tokens.
        Doc(nlp.vocab, words=["in", "Oslo", "."], ents=["O", "B-place", "O"]),
        # Gold cuts what the tokenizer does not, so that nothing finds "Rome" in running text.
        Doc(nlp.vocab, words=["the", "Rome", "2030"], spaces=[True, False, False], ents=["O", "B-place", "O"]),
        # What is not annotated is not judged: Bern is right, Bonn left open, Ulm wrong.
        Doc(nlp.vocab, words=["Bern", ",", "Bonn", ",", "Ulm"], ents=["B-place", "O", None, "O", "O"]),
    ]
    set_domain(docs[0], "ai")
    return docs


def test_what_the_tokenizer_loses_is_lost(nlp):
    scores = evaluate(nlp, gold_docs(nlp), from_text=True)
    assert json.loads(json.dumps(scores)) == scores
    # On gold tokens all three are found, and Ulm.
    assert (scores["strict"]["p"], scores["strict"]["r"]) == (0.75, 1.0)
    found = scores["from_text"]
    assert (found["p"], found["r"], found["f"]) == (0.5, pytest.approx(2 / 3), pytest.approx(4 / 7))
    assert (found["entities"], found["predicted_entities"], found["guessed"]) == (3, 4, 2)
    assert found["per_type"] == {
        "place": {"p": 0.5, "r": pytest.approx(2 / 3), "f": pytest.approx(4 / 7), "support": 3},
    }
    example = "'Rome' in the tokens 'Rome2030'"
    assert scores["token_fit"] == {
        "entities": 3,
        "misfits": 1,
        "examples": [example],
        "share": pytest.approx(1 / 3),
    }
    (note,) = scores["notes"]
    assert note.startswith("1 of 3 entities (33.3%)")
    assert example in note


def test_types_are_judged_by_themselves(nlp):
    docs = [Doc(nlp.vocab, words=["Oslo", "and", "Ada"], ents=["B-place", "O", "B-person"])]
    found = evaluate(nlp, docs, from_text=True)["from_text"]
    assert (found["p"], found["r"], found["f"]) == (0.5, 0.5, 0.5)
    assert found["per_type"]["place"] == {"p": 0.5, "r": 1.0, "f": pytest.approx(2 / 3), "support": 1}
    assert found["per_type"]["person"] == {"p": 0.0, "r": 0.0, "f": 0.0, "support": 1}


def test_the_running_text_has_the_domain_and_no_gold_tokens(nlp):
    seen = []

    @Language.component("test_see_text")
    def see(doc):
        seen.append((doc.text, [token.text for token in doc], get_domain(doc), doc.has_annotation("ENT_IOB")))
        return doc

    nlp.add_pipe("test_see_text", first=True)
    evaluate(nlp, gold_docs(nlp)[:2], from_text=True)
    assert seen[-2:] == [
        ("in Oslo.", ["in", "Oslo", "."], "ai", False),
        ("the Rome2030", ["the", "Rome2030"], None, False),
    ]


def test_without_it_only_the_fit_is_told(nlp):
    scores = evaluate(nlp, gold_docs(nlp)[:1])
    assert scores["from_text"] is None
    assert (scores["token_fit"]["misfits"], scores["notes"]) == (0, [])


def test_another_language_is_noted(nlp):
    docs = gold_docs(nlp)[:1]
    set_language(docs[0], "de")
    assert evaluate(nlp, docs)["notes"] == ["The data was converted as 'de', but the pipeline's language is 'en'."]


def test_the_command_shows_both(nlp, tmp_path):
    nlp.to_disk(tmp_path / "model")
    write_docbin(gold_docs(nlp), tmp_path / "test.spacy")
    arguments = ["evaluate", tmp_path / "model", tmp_path / "test.spacy", "--from-text", "--output", tmp_path / "out"]
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.output.splitlines()]
    assert ["strict", "75.00", "100.00", "85.71", "3"] in rows
    assert ["from", "text", "50.00", "66.67", "57.14", "3"] in rows
    assert "(2 sentences with guessed spaces)" in result.output
    assert "1 of 3 entities (33.3%) begin or end inside a token" in result.output
    scores = json.loads((tmp_path / "out").read_text(encoding="utf8"))
    assert scores["from_text"]["f"] == pytest.approx(4 / 7)

import pytest
import spacy
from spacy.tokens import Doc, Span
from typer.testing import CliRunner

from spacy_crossner.annotations.domains import get_domain, get_language, set_domain
from spacy_crossner.annotations.scores import set_score
from spacy_crossner.cli import app
from spacy_crossner.data.docbin import read_docbin, write_docbin
from spacy_crossner.errors import CrossnerError
from spacy_crossner.silver.labelling import label_docs, label_files

SCORES = {"Ada": 0.95, "Oslo": 0.4, "Z3": None}


@spacy.Language.component("test_self_training")
def tag_names(doc):
    """Find the names above, with these scores."""
    ents = []
    for token in doc:
        if token.text in SCORES:
            ent = Span(doc, token.i, token.i + 1, label="name")
            if SCORES[token.text] is not None:
                set_score(ent, SCORES[token.text])
            ents.append(ent)
    doc.ents = ents
    return doc


@pytest.fixture
def nlp():
    nlp = spacy.blank("en")
    nlp.add_pipe("test_self_training")
    return nlp


def tags(doc):
    return [f"{token.ent_iob_}-{token.ent_type_}" if token.ent_type_ else token.ent_iob_ for token in doc]


def test_what_is_certain_is_labelled_and_what_is_not_is_left_open(nlp):
    docs = [nlp.make_doc(text) for text in ("Ada left Oslo today.", "Nobody came.", "")]
    found = list(label_docs(nlp, docs, 0.9))
    assert tags(found[0]) == ["B-name", "O", "", "O", "O"]
    assert tags(found[1]) == ["O", "O", "O"]
    assert not len(found[2])
    assert tags(next(label_docs(nlp, [nlp.make_doc("Ada left Oslo")], 0.4))) == ["B-name", "O", "B-name"]


def test_entities_without_a_score_are_an_error(nlp):
    with pytest.raises(CrossnerError, match=r"C052.*'Z3'"):
        list(label_docs(nlp, [nlp.make_doc("Ada met Z3")], 0.9))


@pytest.mark.parametrize("name", ["text.txt", "text.spacy"])
def test_text_comes_out_as_training_data(nlp, tmp_path, name):
    lines = ["Ada left Oslo today.", "Nobody came.", "Oslo Oslo", "In Oslo Ada slept."]
    if name.endswith("txt"):
        (tmp_path / name).write_text("\n".join(lines))
    else:
        docs = [Doc(nlp.vocab, words=[token.text for token in nlp.make_doc(line)]) for line in lines]
        for doc in docs:
            set_domain(doc, "ai")
        write_docbin(docs, tmp_path / name)
    found = label_files(nlp, [tmp_path / name], tmp_path / "out.spacy", domain="law" if name.endswith("txt") else None)
    assert (found.n_read, len(found.docs), found.n_certain, found.n_uncertain) == (4, 2, 2, 2)
    docs = read_docbin(tmp_path / "out.spacy", nlp.vocab)
    assert [doc[0].text for doc in docs] == ["Ada", "In"]
    assert {get_domain(doc) for doc in docs} == {"law" if name.endswith("txt") else "ai"}
    with pytest.raises(CrossnerError, match=r"C053.*0\.99"):
        label_files(nlp, [tmp_path / name], tmp_path / "none.spacy", threshold=0.99)
    assert not (tmp_path / "none.spacy").exists()


def test_the_command(annotated_docs, learn_by_heart, tmp_path):
    nlp, docs = learn_by_heart("crf_ner", {})
    nlp.to_disk(tmp_path / "model")
    (tmp_path / "raw.txt").write_text("\n".join(doc.text for doc in docs))
    out = tmp_path / "out.spacy"
    result = CliRunner().invoke(
        app, ["label", str(tmp_path / "model"), str(tmp_path / "raw.txt"), "-o", str(out), "--threshold", "0.3"]
    )
    assert result.exit_code == 0, result.output
    gold = {doc.text.strip(): {(ent.text, ent.label_) for ent in doc.ents} for doc in docs}
    found = read_docbin(out, nlp.vocab)
    assert len(found) > 5
    assert all({(ent.text, ent.label_) for ent in doc.ents} <= gold[doc.text.strip()] for doc in found)
    assert "of 20 sentences" in result.output.replace("\n", " ")


def test_sentences_of_the_test_set_are_left_out_whatever_their_spelling(nlp, tmp_path):
    lines = ["Ada left Oslo today.", "Nobody came.", "ADA left\u00a0Oslo to\u00adday .", "In Oslo Ada slept."]
    (tmp_path / "raw.txt").write_text("\n".join(lines), encoding="utf8")
    write_docbin([Doc(nlp.vocab, words=["Ada", "left", "Oslo", "today", "."])], tmp_path / "test.spacy")
    found = label_files(nlp, [tmp_path / "raw.txt"], tmp_path / "out.spacy", exclude=[tmp_path / "test.spacy"])
    assert (found.n_read, found.n_excluded, [doc.text for doc in found.docs]) == (4, 2, ["In Oslo Ada slept."])
    assert [get_language(doc) for doc in read_docbin(tmp_path / "out.spacy", nlp.vocab)] == ["en"]

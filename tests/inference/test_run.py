"""A corpus in each form of input and output, against the pipeline called with one text at a time."""

import gzip
import json
import sys
from functools import cache

import pytest
import spacy
from spacy.tokens import DocBin

from spacy_crossner.annotations.domains import get_domain
from spacy_crossner.errors import CrossnerError
from spacy_crossner.inference.corpus import Corpus
from spacy_crossner.inference.run import annotate_corpus, is_finished

from .conftest import LONG, ODD, TEXTS


def read(path, nlp):
    """Return the text and the entities with their scores of each row of an output."""
    if path.suffix == ".spacy":
        docs = DocBin().from_disk(path).get_docs(nlp.vocab)
        return [(doc.text, [(e.start_char, e.end_char, e.label_, e.text, e._.score) for e in doc.ents]) for doc in docs]
    keys = ("start", "end", "label", "text", "score")
    return [(row["text"], [tuple(ent[key] for key in keys) for ent in row["entities"]]) for row in records(path)]


def records(path):
    """Return the rows of an output as dicts."""
    if path.suffix == ".parquet":
        return pytest.importorskip("pyarrow.parquet").read_table(path).to_pylist()
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in content.splitlines()]


@pytest.fixture(scope="module")
def entities(nlp):
    """Give a function that returns the entities of a text, and the number of its words."""

    @cache
    def find(text):
        doc = next(nlp.pipe([text]))
        found = [(ent.start_char, ent.end_char, ent.label_, ent.text, ent._.score) for ent in doc.ents]
        return found, sum(not token.is_space for token in doc)

    return find


@pytest.mark.parametrize(
    ("name", "output"),
    [(name, "out.jsonl") for name in ("in.txt", "in.txt.gz", "in.jsonl", "in.jsonl.gz", "in.spacy")]
    + [(name, output) for name in ("in.jsonl", "in.spacy") for output in ("out.jsonl.gz", "out.spacy", "out.parquet")],
)
def test_every_form_has_the_entities_of_the_pipeline(name, output, write, model, nlp, entities, tmp_path):
    texts = TEXTS if ".txt" in name else [*TEXTS, *ODD]
    report = annotate_corpus(Corpus(str(model), [write(name, texts)], tmp_path / output, block=3))
    rows = read(tmp_path / output, nlp)
    assert [text for text, _ in rows] == texts
    n_words = 0
    for (_, found), text in zip(rows, texts, strict=True):
        expected, count = entities(text)
        assert [ent[:4] for ent in found] == [ent[:4] for ent in expected]
        assert [ent[4] for ent in found] == pytest.approx([ent[4] for ent in expected], abs=1e-5)
        n_words += count
    n_entities = sum(len(found) for _, found in rows)
    assert n_entities > 1000
    counts = report.counts
    assert (counts.texts, counts.words, counts.errors) == (len(texts), n_words, 0)
    assert sum(counts.entities.values()) == n_entities
    assert json.loads((tmp_path / f"{output}.json").read_text())["entities"] == counts.entities
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, output, f"{output}.json"])


def test_fields_tokens_and_marks_are_kept(write, model, nlp, tmp_path):
    inputs = [write("in.jsonl", TEXTS[:2]), write("in.spacy", TEXTS[:2])]
    inputs[0].write_text(inputs[0].read_text() + '{"text": "Rome", "entities": 3, "input_entities": 4, "more": null}\n')
    for name in ("out.jsonl", "out.parquet", "out.spacy"):
        annotate_corpus(Corpus(str(model), inputs, tmp_path / name))
    kept = [
        {key: row[key] for key in row if key not in ("text", "entities")} for row in records(tmp_path / "out.jsonl")
    ]
    expected = [{"id": 0, "more": {"of": [0]}}, {"id": 1, "more": {"of": [1]}}]
    expected += [{"input_entities": 4, "more": None, "input_input_entities": 3}, {}, {}]
    assert kept == expected
    table = records(tmp_path / "out.parquet")
    assert [row["id"] for row in table] == [0, 1, None, None, None]
    assert [row["more"] for row in table] == ['{"of": [0]}', '{"of": [1]}', "null", None, None]
    assert [row["error"] for row in table] == [None] * 5
    docs = list(DocBin().from_disk(tmp_path / "out.spacy").get_docs(nlp.vocab))
    assert docs[0].user_data["fields"] == {"id": 0, "more": {"of": (0,)}}
    assert [get_domain(doc) for doc in docs] == [None, None, None, "ai", "ai"]
    assert [[token.text for token in doc] for doc in docs[3:]] == [
        [token.text for token in nlp.make_doc(text)] for text in TEXTS[:2]
    ]


def test_entities_without_scores(write, tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "place", "pattern": "Paris"}])
    nlp.to_disk(tmp_path / "ruler")
    for name in ("out.jsonl", "out.parquet"):
        annotate_corpus(Corpus(str(tmp_path / "ruler"), [write("in.txt", ["In Paris"])], tmp_path / name))
    entity = {"start": 3, "end": 8, "label": "place", "text": "Paris"}
    assert records(tmp_path / "out.jsonl") == [{"text": "In Paris", "entities": [entity]}]
    assert records(tmp_path / "out.parquet")[0]["entities"] == [{**entity, "score": None}]


@pytest.mark.parametrize("output", ["out.jsonl", "out.jsonl.gz", "out.spacy", "out.parquet"])
@pytest.mark.parametrize("name", ["in.txt", "in.jsonl.gz", "in.spacy"])
def test_an_empty_corpus_gives_an_empty_output(name, output, write, model, nlp, tmp_path):
    report = annotate_corpus(Corpus(str(model), [write(name, [])], tmp_path / output))
    assert report.counts.texts == 0
    assert read(tmp_path / output, nlp) == []


def test_several_inputs_come_in_order(write, model, tmp_path):
    inputs = [
        write("b.txt", ["one", "two"]),
        write("c.spacy", ["three"]),
        write("empty.txt", []),
        write("a.jsonl", ["4"]),
    ]
    annotate_corpus(Corpus(str(model), inputs, tmp_path / "out.jsonl", block=2))
    assert [row["text"] for row in records(tmp_path / "out.jsonl")] == ["one", "two", "three", "4"]


def test_a_finished_output_is_kept_until_an_input_changes(write, model, tmp_path, capsys):
    path = write("in.txt", TEXTS)
    corpus = Corpus(str(model), [path], tmp_path / "out.jsonl")
    assert not is_finished(corpus)
    annotate_corpus(corpus)
    # The number of processes changes nothing.
    assert is_finished(Corpus(str(model), [path], tmp_path / "out.jsonl", processes=2))
    assert "up to date" in " ".join(capsys.readouterr().out.split())
    assert not is_finished(Corpus(str(model), [path], tmp_path / "out.jsonl", block=7))
    path.write_text(LONG)
    corpus = Corpus(str(model), [path], tmp_path / "out.jsonl")
    assert not is_finished(corpus)
    assert "input 1" in " ".join(capsys.readouterr().out.split())
    annotate_corpus(corpus)
    assert [row["text"] for row in records(tmp_path / "out.jsonl")] == [LONG]
    (tmp_path / "out.jsonl").write_text("changed")
    assert not is_finished(corpus)


@pytest.mark.parametrize("setting", [{"block": 0}, {"processes": 0}])
def test_settings_out_of_range_are_named(setting, write, model, tmp_path):
    with pytest.raises(CrossnerError, match=f"C609.*{next(iter(setting))}"):
        annotate_corpus(Corpus(str(model), [write("in.txt", TEXTS)], tmp_path / "out.jsonl", **setting))


def test_forms_that_are_not_known_are_named(write, model, tmp_path, monkeypatch):
    path = write("in.txt", TEXTS)
    with pytest.raises(CrossnerError, match=r"C630.*out\.csv.*\.jsonl"):
        annotate_corpus(Corpus(str(model), [path], tmp_path / "out.csv"))
    with pytest.raises(CrossnerError, match=r"C631.*in\.json"):
        annotate_corpus(Corpus(str(model), [path.rename(tmp_path / "in.json")], tmp_path / "out.jsonl"))
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(CrossnerError, match=r"C632.*out\.parquet.*spacy-crossner\[parquet\]"):
        annotate_corpus(Corpus(str(model), [write("in.txt", TEXTS)], tmp_path / "out.parquet"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.json", "in.txt"]

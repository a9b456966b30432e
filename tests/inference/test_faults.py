"""Texts that cannot be annotated are in the output with the reason, and the others are annotated."""

import json

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import DocBin

from spacy_crossner.data.docbin import write_docbin
from spacy_crossner.errors import CrossnerError, DataError
from spacy_crossner.inference import reading
from spacy_crossner.inference.annotate import annotate_records, annotate_rows
from spacy_crossner.inference.corpus import Corpus
from spacy_crossner.inference.reading import read_blocks
from spacy_crossner.inference.rows import Row
from spacy_crossner.inference.run import annotate_corpus

GOOD = {"text": "Ada Lovelace wrote notes in London ."}
# A line of JSON, and a part of the error.
BAD_LINES = [
    (b'{"text": "caf\xe9"}', "0xe9"),
    (b"{bad", "no JSON"),
    (b'{"text": NaN}', "NaN"),
    (b"[" * 100_000, "no JSON"),
    (b"[3]", "list"),
    (b'{"id": 1}', "no field 'text'"),
    (b'{"text": null}', "null in the field 'text'"),
    (b'{"text": ["a"]}', "in the field 'text'"),
    (b'{"text": "\\ud83d"}', "surrogate"),
    (b'{"text": "' + b"a " * 600_000 + b'"}', "1,200,000 characters"),
]


@pytest.fixture
def bad(tmp_path):
    """Give a file of JSON lines, each other one bad."""
    path = tmp_path / "bad.jsonl"
    good = json.dumps(GOOD).encode()
    path.write_bytes(good + b"\n" + b"".join(line + b"\n" + good + b"\n" for line, _ in BAD_LINES))
    return path


def test_bad_lines_of_json_are_kept_with_the_reason(bad, model, tmp_path):
    report = annotate_corpus(Corpus(str(model), [bad], tmp_path / "out.jsonl", block=4))
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert len(rows) == 2 * len(BAD_LINES) + 1
    assert all(len(row["entities"]) == 2 and "error" not in row for row in rows[::2])
    for number, (row, (_, said)) in enumerate(zip(rows[1::2], BAD_LINES, strict=True)):
        assert row["entities"] == []
        assert f"{bad}, line {2 * number + 2}: " in row["error"]
        assert said in row["error"]
    assert rows[11]["id"] == 1
    assert len(rows[-2]["text"]) == 1_200_000
    assert (report.counts.errors, report.counts.first_error) == (len(BAD_LINES), rows[1]["error"])


def test_bad_rows_of_a_docbin_are_empty_docs(bad, model, nlp, tmp_path):
    bad.write_text(json.dumps(GOOD) + '\n{"id": 1}\n{"text": "Paris", "big": 99999999999999999999}\n')
    report = annotate_corpus(Corpus(str(model), [bad], tmp_path / "out.spacy"))
    docs = list(DocBin().from_disk(tmp_path / "out.spacy").get_docs(nlp.vocab))
    assert [len(doc.ents) for doc in docs] == [2, 0, 0]
    assert [len(doc) for doc in docs] == [7, 0, 0]
    assert "no field 'text'" in docs[1].user_data["error"]
    assert docs[1].user_data["fields"] == {"id": 1}
    assert "C639" in docs[2].user_data["error"]
    assert report.counts.errors == 2
    # They are so as an input, too.
    annotate_corpus(Corpus(str(model), [tmp_path / "out.spacy"], tmp_path / "again.jsonl"))
    rows = [json.loads(line) for line in (tmp_path / "again.jsonl").read_text().splitlines()]
    assert [row.get("id") for row in rows] == [None, 1, None]
    assert [row.get("error") for row in rows] == [doc.user_data.get("error") for doc in docs]


def test_odd_fields_in_a_table(model, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    fields = [
        {"large": 2**60, "mixed": 1, "number": 1, "name\ud800": True, "huge": 2**70, "half": "\ud800"},
        {"large": 1, "mixed": "a", "number": 0.5, "name\ud800": None, "huge": 1, "half": "a"},
    ]
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps({"text": "Rome", **each}) + "\n" for each in fields))
    annotate_corpus(Corpus(str(model), [path], tmp_path / "out.parquet", block=1))
    rows = parquet.read_table(tmp_path / "out.parquet").to_pylist()
    assert [row["large"] for row in rows] == [2**60, 1]
    assert [row["mixed"] for row in rows] == ["1", '"a"']
    assert [row["number"] for row in rows] == [1.0, 0.5]
    assert [row["name\\ud800"] for row in rows] == [True, None]
    assert [json.loads(row["huge"]) for row in rows] == [2**70, 1]
    assert [json.loads(row["half"]) for row in rows] == ["\ud800", "a"]


def test_bad_lines_of_text_and_too_long_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "LONGEST_LINE", 64)
    path = tmp_path / "in.txt"
    path.write_bytes(b"\xef\xbb\xbffirst\r\n \n\xff\nN\0U\0L\0\n" + b"x" * 1000 + b"\n" + b"y" * 60 + b"\nlast")
    ((_, rows, size),) = read_blocks([path], field="text", size=100)
    assert [row.text for row in rows] == ["first", "", "", "", "y" * 60, "last"]
    assert [row.place.rpartition(" ")[2] for row in rows] == ["1", "3", "4", "5", "6", "7"]
    assert ["0xff" in row.error for row in rows] == [False, True, False, False, False, False]
    assert "NUL" in rows[2].error
    assert "more than 64 bytes" in rows[3].error
    assert size == path.stat().st_size


def test_blocks_end_at_a_number_of_bytes_too(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "BLOCK_BYTES", 10)
    path = tmp_path / "in.txt"
    path.write_text("aaaa\nbbbb\ncccc\nd\ne\nf\n")
    blocks = list(read_blocks([path, path], field="text", size=3))
    assert [[row.text for row in block.rows] for block in blocks] == [
        ["aaaa", "bbbb", "cccc"],
        ["d", "e", "f"],
    ] * 2
    assert sum(block.size for block in blocks) == 2 * path.stat().st_size
    assert [block.number for block in blocks] == [0, 1, 2, 3]


@pytest.mark.parametrize("setting", [{"field": "body"}, {}])
def test_nothing_is_written_if_no_text_can_be_annotated(setting, model, tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_text(json.dumps(GOOD) + "\n" if setting else "Ada met Bob\n")
    with pytest.raises(CrossnerError, match=r"C636.*in\.jsonl.*line 1"):
        annotate_corpus(Corpus(str(model), [path], tmp_path / "out.jsonl", **setting))
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_files_that_break_off_are_named(write, model, tmp_path):
    for name, code in (("in.txt.gz", "C101"), ("in.spacy", "C117")):
        path = write(name, ["Ada met Bob"] * 50)
        path.write_bytes(path.read_bytes()[:-20])
        with pytest.raises(DataError, match=rf"{code}.*{name}"):
            annotate_corpus(Corpus(str(model), [path], tmp_path / "out.jsonl"))
        assert not (tmp_path / ".out.jsonl.parts").exists()


@pytest.fixture
def fragile():
    """Give a pipeline that fails on some texts, and the sizes of the batches that it was called with."""
    sizes = []

    class Fragile:
        def __call__(self, doc):
            if "fail" in doc.text:
                raise RuntimeError("it failed")
            return doc

        def pipe(self, stream, batch_size):
            docs = list(stream)
            sizes.append(len(docs))
            yield from map(self, docs)

    Language.component("fragile_of_a_test", func=Fragile())
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "place", "pattern": "Paris"}])
    nlp.add_pipe("fragile_of_a_test")
    return nlp


def test_a_text_on_which_the_pipeline_fails_costs_no_other(fragile):
    rows = [Row("In Paris"), Row("fail", "x.txt, line 2"), Row("", error="before"), Row("Paris too", fields={"id": 1})]
    records = annotate_records(fragile, rows)
    assert [len(record["entities"]) for record in records] == [1, 0, 0, 1]
    assert records[1]["error"] == "[C635] x.txt, line 2: the pipeline fails on the text: RuntimeError: it failed."
    assert records[2] == {"text": "", "entities": [], "error": "before"}
    assert list(records[3]) == ["id", "text", "entities"]


def test_a_pipeline_that_fails_on_every_text_is_named(fragile):
    with pytest.raises(CrossnerError, match=r"C637.*2 texts, from x\.txt, line 1 on: RuntimeError: it failed"):
        annotate_rows(fragile, [Row("fail", "x.txt, line 1"), Row("fails", "x.txt, line 2")])
    (only,) = annotate_rows(fragile, [Row("fail", "x.txt, line 1")])
    assert only.doc is None


def test_user_data_of_another_origin_is_no_field(nlp, tmp_path):
    docs = [nlp.make_doc("Paris") for _ in range(4)]
    for doc, value in zip(docs, ([1], {("a", 1): 2}, {"a": b"b"}, {"a": (1,)}), strict=True):
        doc.user_data["fields"] = value
    write_docbin(docs, tmp_path / "in.spacy")
    ((_, rows, _),) = read_blocks([tmp_path / "in.spacy"], field="text", size=10)
    assert [row.fields for row in rows] == [{}, {}, {}, {"a": [1]}]

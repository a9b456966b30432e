import pytest
from spacy.training import Example

from spacy_crossner.annotations.domains import without_annotation
from spacy_crossner.core.alignment import aligned_tags
from spacy_crossner.data.stats import stats
from spacy_crossner.errors import DataError

TEXT = "Ada Lovelace left Oslo."


def answer(start, end, label, answer="accept", **more):
    span = {"start": start, "end": end, "label": label, "score": 0.5}
    return {"text": TEXT, "spans": [span], "answer": answer, "_view_id": "ner", **more}


TEACH = [
    answer(0, 12, "PER", _input_hash=1),
    answer(13, 17, "PER", "reject", _input_hash=1),
    {**answer(0, 3, "LOC", "accept", _input_hash=2), "text": "Rom is old."},
    answer(18, 22, "LOC", _input_hash=1),
    answer(0, 12, "PER", _input_hash=1),
    {**answer(0, 3, "LOC", "ignore", _input_hash=3), "text": "Bob is old."},
]


def test_single_answers_leave_all_other_tokens_open(read):
    assert read(TEACH, "x.jsonl") == [
        (TEXT, [("Ada Lovelace", "PER"), ("Oslo", "LOC")]),
        ("Rom is old.", [("Rom", "LOC")]),
    ]
    examples = [Example(without_annotation(doc, doc.vocab), doc) for doc in read.docs]
    # What the loss sees: -1 is no annotation, over which it sums.
    assert [aligned_tags(example, ["LOC", "PER"]).tolist() for example in examples] == [
        [3, 4, -1, 1, -1],
        [1, -1, -1, -1],
    ]
    assert read.faults.notes == {
        "records left out for their answer, 'reject'": 1,
        "records left out for their answer, 'ignore'": 1,
        "texts with single answers (Prodigy's ner.teach): tokens outside of accepted spans are left unannotated": 2,
    }


def test_stats_count_open_tokens_in_text_and_in_docbins(read):
    read(TEACH, "x.jsonl")
    (counted,) = stats([read.folder / "x.jsonl"]).sets[read.folder.name].values()
    (packed,) = stats([read.folder / "x.spacy"]).sets[read.folder.name].values()
    assert counted == packed
    assert (counted.entities, counted.unannotated, counted.unlabelled, counted.without_entity) == (3, 5, 0, 0)


def test_records_without_a_hash_are_told_by_their_text(read):
    assert read([answer(0, 12, "PER"), answer(18, 22, "LOC")]) == [(TEXT, [("Ada Lovelace", "PER"), ("Oslo", "LOC")])]


def test_a_text_without_an_accepted_span_is_left_out(read):
    empty = {"text": TEXT, "spans": [], "answer": "accept", "_view_id": "ner"}
    assert read([empty, {**answer(0, 3, "LOC"), "text": "Rom is old."}]) == [("Rom is old.", [("Rom", "LOC")])]
    assert read.faults.notes["texts of single answers without an accepted span left out"] == 1


@pytest.mark.parametrize("marks", [{"_view_id": "ner_manual"}, {"_is_binary": False}, {}])
def test_other_records_are_complete(read, marks):
    record = {key: value for key, value in answer(0, 12, "PER").items() if key != "_view_id"}
    assert read([{**record, **marks}]) == [(TEXT, [("Ada Lovelace", "PER")])]
    assert [token.ent_iob_ for token in read.docs[0]] == ["B", "I", "O", "O", "O"]


def test_answers_that_overlap(read):
    with pytest.raises(DataError, match="C111"):
        read([answer(0, 12, "PER"), answer(4, 12, "LOC")])
    assert read([answer(0, 12, "PER"), answer(4, 12, "LOC")], repair=True) == [(TEXT, [("Ada Lovelace", "PER")])]

import json

import pytest

from spacy_crossner.errors import DataError

TEXT = "Ada left Oslo."
ENTITIES = [(TEXT, [("Ada", "PER"), ("Oslo", "LOC")])]

OFFSETS = [{"id": 7, "label": "PER", "start_offset": 0, "end_offset": 3}]
OFFSETS += [{"id": 8, "label": "LOC", "start_offset": 9, "end_offset": 13}]
LISTED = [[0, 3, "PER"], [9, 13, "LOC"]]
NAMED = [{"start": 0, "end": 3, "label": "PER"}, {"start": 9, "end": 13, "label": "LOC"}]
OLD = [{"label": 3, "start_offset": 0, "end_offset": 3, "user": 1}]
OLD += [{"label": 4, "start_offset": 9, "end_offset": 13, "user": 1}]
TOKENS = [{"id": i, "start": a, "end": b} for i, (a, b) in enumerate([(0, 3), (4, 8), (9, 13), (13, 14)])]

FORMS = {
    "doccano label": {"id": 1, "text": TEXT, "label": LISTED, "Comments": []},
    "doccano labels": {"id": 1, "text": TEXT, "labels": LISTED},
    "doccano entities": {"id": 1, "text": TEXT, "entities": OFFSETS, "relations": []},
    "entities in lists": {"text": TEXT, "entities": LISTED},
    "entities in objects": {"text": TEXT, "entities": NAMED},
    "Prodigy": {"text": TEXT, "spans": NAMED, "_view_id": "ner_manual", "answer": "accept", "options": []},
    "Doc.to_json": {"text": TEXT, "ents": NAMED, "tokens": TOKENS, "sents": [{"start": 0, "end": 14}]},
    "a span group": {"text": TEXT, "tokens": TOKENS, "spans": {"sc": [{**span, "kb_id": ""} for span in NAMED]}},
    "ents before groups": {"text": TEXT, "ents": NAMED, "spans": {"sc": [{"start": 0, "end": 8, "label": "X"}]}},
    "displaCy": {"text": TEXT, "ents": NAMED, "title": None},
    "a pair": [TEXT, {"entities": LISTED}],
    "a pair with a link": [TEXT, {"entities": [[0, 3, "PER", "Q7259"], [9, 13, "LOC", "Q585"]], "cats": {}}],
}


@pytest.mark.parametrize("name", ["x.json", "x.jsonl"])
@pytest.mark.parametrize("form", FORMS)
def test_forms_of_spans(read, form, name):
    assert read([FORMS[form], FORMS[form]], name) == ENTITIES * 2
    assert not read.faults.repairs


@pytest.mark.parametrize("form", FORMS)
def test_a_single_record(read, form):
    assert read(FORMS[form]) == ENTITIES


def test_pairs_within_an_object(read):
    assert read({"classes": ["PER", "LOC"], "annotations": [[TEXT, {"entities": LISTED}], None]}) == ENTITIES


def test_notes(read):
    read([{"text": TEXT, "entities": OFFSETS, "relations": [{"from_id": 7, "to_id": 8}]}])
    assert read.faults.notes == {"records whose relations are not read": 1}
    read([FORMS["ents before groups"]])
    assert read.faults.notes == {"records with labels under 'spans', too, which are not read": 1}


def test_doccano_numbers_have_their_names_in_a_list_beside_the_file(read):
    record = {"text": TEXT, "annotations": OLD, "annotation_approver": None}
    with pytest.raises(DataError, match=r"C143.*x.jsonl, line 1: found the label 3, .*label_config.json"):
        read([record], "x.jsonl")
    config = read.folder / "label_config.json"
    config.write_text(json.dumps([{"id": 3, "text": "PER", "background_color": "#fff"}]), encoding="utf8")
    with pytest.raises(DataError, match=r"C143.*the label 4"):
        read([record], "x.jsonl")
    config.write_text(json.dumps([{"id": 4, "text": "LOC"}, {"id": 3, "text": "PER"}]), encoding="utf8")
    assert read([record], "x.jsonl") == ENTITIES
    config.write_text("{", encoding="utf8")
    with pytest.raises(DataError, match=r"C101.*label_config.json"):
        read([record], "x.jsonl")


@pytest.mark.parametrize(
    "labels",
    [
        {"label": ["spam"]},
        {"label": "spam"},
        {"label": 1},
        {"labels": ["spam", "ham"]},
        {"annotations": [{"label": 2, "user": 1}]},
        {"cats": {"spam": 1.0}},
        {"options": [{"id": "spam"}, {"id": "ham"}], "accept": ["spam"], "answer": "accept"},
        {"label": "spam", "answer": "accept"},
    ],
)
def test_labels_of_texts_are_refused_by_name(read, labels):
    with pytest.raises(
        DataError, match=r"^\[C142\].*x.json, record 2: .*labels of whole texts \(text classification\)"
    ):
        read([{"text": TEXT, "label": []}, {"text": TEXT, **labels}])


@pytest.mark.parametrize(
    ("labels", "key"),
    [
        ({"entities": ["U-PER", "O", "U-LOC", "O"]}, "entities"),
        ({"mentions": [{"from": 0, "to": 3}]}, "mentions"),
        ({"my_entities": [{"start": 0, "end": 3, "type": "PER"}]}, "my_entities"),
        ({"spans": [], "my_entities": [{"begin": 0, "len": 3}]}, "my_entities"),
        ({"gold": [["PER", 0, 3]]}, "gold"),
        ({"layers": {"ner": [{"start": 0, "end": 3}]}}, "layers"),
        ({"tags": ["PER"]}, "tags"),
    ],
)
def test_labels_of_an_unknown_form_are_an_error(read, labels, key):
    for repair in (False, True):
        with pytest.raises(DataError, match=rf"^\[C141\].*x.json, record 1: found '{key}'.*Prodigy.*Label Studio"):
            read([{"text": TEXT, **labels}, FORMS["Prodigy"]], repair=repair)
    assert read([{"text": TEXT, **labels}], raw=True) == [(TEXT, [])]


@pytest.mark.parametrize(
    ("record", "key"),
    [
        ({"sentence": TEXT, "entities": LISTED}, "entities"),
        ({"tokenized_text": ["Ada"], "ner": [[0, 0, "PER"]]}, "ner"),
        ({"doc": TEXT, "gold": NAMED}, "gold"),
    ],
)
def test_labels_without_a_text_are_an_error(read, record, key):
    with pytest.raises(DataError, match=rf"^\[C141\].*record 2: found '{key}'"):
        read([FORMS["Prodigy"], record], repair=True)


def test_two_span_groups_are_refused(read):
    record = {"text": TEXT, "spans": {"a": NAMED[:1], "b": NAMED[1:]}}
    with pytest.raises(DataError, match=r"C116.*one group of spans"):
        read([record])


def test_spans_by_their_tokens(read):
    spans = [{"token_start": 0, "token_end": 0, "label": "PER"}, {"token_start": 2, "token_end": 2, "label": "LOC"}]
    assert read([{"text": TEXT, "tokens": TOKENS, "spans": spans}]) == ENTITIES
    with pytest.raises(DataError, match=r"C112.*start None"):
        read([{"text": TEXT, "tokens": TOKENS, "spans": [{"token_start": 9, "token_end": 9, "label": "PER"}]}])


def test_the_words_of_a_span_have_to_be_where_it_is(read):
    record = {"text": TEXT, "spans": [{"start": 4, "end": 8, "label": "LOC", "text": "Oslo"}, *NAMED]}
    with pytest.raises(DataError, match=r"C145.*record 1: found the span 4-8 .* the text is 'left'.*'Oslo'"):
        read([record])
    assert read([record], repair=True) == ENTITIES


def test_labels_are_cleaned(read):
    spans = [{"start": 0, "end": 3, "label": " P\u200bER\u00a0"}, {"start": 9, "end": 13, "label": "LOC "}]
    assert read([{"text": TEXT, "spans": spans}]) == ENTITIES
    assert read.faults.notes == {
        "labels cleaned of zero-width characters, of no-break and other odd blanks, or put in NFC": 1
    }

import json

import pytest
from spacy.lang.en import English

from spacy_crossner.data.reading import open_files
from spacy_crossner.data.schemes import Scheme
from spacy_crossner.data.stats import stats
from spacy_crossner.errors import DataError

WORDS = ["Ada", "left", "New", "York"]
TAGS = ["B-PER", "O", "B-LOC", "I-LOC"]
NAMES = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
NUMBERS = [1, 0, 3, 4]
ENTITIES = [("Ada left New York", [("Ada", "PER"), ("New York", "LOC")])]


def info(names, key="ner_tags"):
    feature = {"feature": {"names": names, "_type": "ClassLabel"}, "_type": "Sequence"}
    return {"features": {"tokens": {"feature": {"dtype": "string"}}, key: feature}, "splits": {}}


@pytest.mark.parametrize("keys", [("tokens", "ner_tags"), ("words", "tags"), ("tokens", "labels"), ("words", "ner")])
@pytest.mark.parametrize("name", ["x.json", "x.jsonl"])
def test_tags_by_name(read, keys, name):
    assert read([{"id": "0", keys[0]: WORDS, keys[1]: TAGS, "pos_tags": [1, 2, 3, 4]}], name) == ENTITIES
    assert [doc.has_unknown_spaces for doc in read.docs] == [True]


@pytest.mark.parametrize(
    "names",
    [
        {"label_names": NAMES},
        {"id2label": {str(i): name for i, name in enumerate(NAMES)}},
        {"names": NAMES},
        {"features": {"ner_tags": {"feature": {"names": NAMES}}}},
        {"features": {"ner_tags": {"feature": {"feature": {"names": NAMES}}}}},
    ],
)
def test_names_of_numbers_in_the_file(read, names):
    record = {"tokens": WORDS, "ner_tags": NUMBERS}
    assert read([{**record, **names}]) == ENTITIES
    assert read({"data": [record, record], **names}) == ENTITIES * 2


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("dataset_info.json", info(NAMES)),
        ("dataset_infos.json", {"default": info(NAMES)}),
        ("dataset_info.json", {"label_names": NAMES}),
        ("dataset_info.json", {"id2label": dict(enumerate(NAMES))}),
    ],
)
def test_names_of_numbers_beside_the_file(read, file, content):
    record = {"tokens": WORDS, "ner_tags": NUMBERS}
    with pytest.raises(DataError, match=r"C143.*line 1: found the number 1 under 'ner_tags'.*dataset_info.json"):
        read([record], "x.jsonl")
    assert read([record], "x.jsonl", raw=True) == [("Ada left New York", [])]
    (read.folder / file).write_text(json.dumps(content), encoding="utf8")
    assert read([record], "x.jsonl") == ENTITIES
    with pytest.raises(DataError, match=r"C143.*the number 9"):
        read([{**record, "ner_tags": [1, 0, 3, 9]}], "x.jsonl")


def test_names_of_another_column_are_not_taken(read):
    (read.folder / "dataset_info.json").write_text(json.dumps(info(["NN", "VB"], "pos_tags")), encoding="utf8")
    with pytest.raises(DataError, match="C143"):
        read([{"tokens": WORDS, "ner_tags": NUMBERS, "pos_tags": [0, 1, 0, 0]}])


def test_tags_are_cleaned(read):
    assert read([{"tokens": WORDS, "tags": ["B-PER\u00a0", "O", "B-\u200bLOC", "I-LOC"]}]) == ENTITIES
    assert read.faults.notes == {
        "labels cleaned of zero-width characters, of no-break and other odd blanks, or put in NFC": 1
    }


def test_ignored_tokens_are_without_annotation(read):
    record = {"tokens": WORDS, "ner_tags": [1, -100, 3, 4], "label_names": NAMES}
    assert read([record]) == ENTITIES
    assert [token.ent_iob_ for token in read.docs[0]] == ["B", "", "B", "I"]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"tokens": WORDS}, r"C141.*the words of 'tokens' and no tags under a known key"),
        ({"tokens": WORDS, "entities": [{"start": 0, "end": 1, "type": "PER"}]}, r"C141.*keys: 'tokens', 'entities'"),
        ({"tokens": WORDS, "tags": TAGS[:3]}, r"C116.*4 words and 3 tags"),
        ({"tokens": WORDS, "tags": ["O", 1, 0, 0]}, r"C116.*the tags \['O', 1"),
        ({"tokens": WORDS, "tags": [True, False, False, False]}, r"C116.*the tags"),
        ({"tokens": ["Ada", ""], "tags": ["O", "O"]}, r"C116.*an empty token"),
        ({"tokens": WORDS, "tags": ["B-PER", "I-LOC", "O", "O"]}, r"C107.*'I-LOC' with nothing to continue"),
        ({"tokens": [], "tags": []}, r"C115.*no \"text\" \(keys: 'tokens', 'tags'\)"),
    ],
)
def test_errors(read, record, message):
    with pytest.raises(DataError, match=rf"record 2: .*{message[5:]}" if "*" in message[:5] else message):
        read([{"tokens": WORDS, "tags": TAGS}, record])


def test_the_scheme_is_told_from_all_records(read):
    records = [
        {"tokens": ["Ada", "left"], "tags": ["I-PER", "O"]},
        {"tokens": ["Ada", "Bob"], "tags": ["I-PER", "B-PER"]},
    ]
    assert [len(entities) for _, entities in read(records)] == [1, 2]
    with pytest.raises(DataError, match=r"C107.*record 1"):
        read(records, scheme=Scheme.bio)
    records = [{"tokens": ["Ada", "in", "New", "York"], "tags": ["U-PER", "O", "B-LOC", "L-LOC"]}]
    assert read(records) == [("Ada in New York", [("Ada", "PER"), ("New York", "LOC")])]


def paragraph(*tokens):
    return {"sentences": [{"tokens": [{"id": i, "orth": word, "ner": tag} for i, (word, tag) in enumerate(tokens)]}]}


@pytest.mark.parametrize("wrap", [lambda doc: [doc], lambda doc: doc])
def test_training_data_of_spacy_2(read, wrap):
    first = paragraph(("Ada", "U-PER"), ("left", "O"), ("New", "B-LOC"), ("York", "L-LOC"))
    second = paragraph(("Bob", "-"), ("is", "O"), ("Eve", "U-PER"))
    second["sentences"].append({"tokens": [{"orth": "Yes"}]})
    texts = [*ENTITIES, ("Bob is Eve", [("Eve", "PER")]), ("Yes", [])]
    assert read(wrap({"id": 0, "paragraphs": [first, second]})) == texts
    assert [[token.ent_iob_ for token in doc] for doc in read.docs] == [["B", "O", "B", "I"], ["", "O", "B"], [""]]
    (counted,) = stats([read.folder / "x.json"]).sets[read.folder.name].values()
    assert (counted.entities, counted.unannotated, counted.unlabelled) == (3, 1, 1)


@pytest.mark.parametrize("broken", [[{}], [7], "x", None, [{"sentences": [{"tokens": [{"ner": "O"}]}]}]])
def test_broken_training_data_of_spacy_2(read, broken):
    with pytest.raises(DataError, match=r"C116.*\"paragraphs\""):
        read([{"id": 0, "paragraphs": broken}])


@pytest.mark.parametrize(
    "tags",
    [
        ["B-PER", "I-PER", "O"],
        ["B_PER", "I_PER", "O"],
        ["PER-B", "PER-I", "O"],
        ["b-per", "i-per", "o"],
        ["S-x", "O", "O"],
    ],
)
def test_tags_are_read_in_every_notation(tmp_path, tags):
    path = tmp_path / "x.jsonl"
    record = {"tokens": ["Ada", "Lovelace", "left"], "ner_tags": tags}
    path.write_text(json.dumps(record) + "\n", encoding="utf8")
    (source,) = open_files([path])
    ((start, end, label),) = next(iter(source.read(English().tokenizer))).spans
    assert (start, end, label.upper()) == ((0, 1, "X") if tags[0] == "S-x" else (0, 2, "PER"))


def test_labels_alone_are_read_on_demand(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps({"tokens": ["Ada", "left"], "ner_tags": ["person", "O"]}) + "\n", encoding="utf8")
    (source,) = open_files([path], scheme=Scheme.io)
    assert next(iter(source.read(English().tokenizer))).spans == [(0, 1, "person")]

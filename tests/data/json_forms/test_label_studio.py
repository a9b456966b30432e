import pytest

from spacy_crossner.errors import DataError

TEXT = "Ada left Oslo."
ADA, OSLO = (0, 3, "Ada", "PER"), (9, 13, "Oslo", "LOC")
ENTITIES = [(TEXT, [("Ada", "PER"), ("Oslo", "LOC")])]


def span(start, end, words, *labels, to_name="text", kind="labels"):
    value = {"start": start, "end": end, "text": words, "labels": list(labels)}
    return {"value": value, "id": "x", "from_name": "label", "to_name": to_name, "type": kind}


def annotation(*spans, **more):
    return {"id": 7, "was_cancelled": False, "ground_truth": False, **more, "result": [span(*part) for part in spans]}


def task(*annotations, data=None, **more):
    return {"id": 1, "data": data or {"text": TEXT}, "annotations": list(annotations), "predictions": [], **more}


@pytest.mark.parametrize(
    "annotations",
    [
        [annotation(OSLO, ADA)],
        [annotation(ADA, OSLO), annotation(OSLO, ADA, id=8)],
        [annotation(was_cancelled=True), annotation(ADA, OSLO)],
        [annotation(ADA), annotation(ADA, OSLO, ground_truth=True), annotation()],
    ],
    ids=["one", "equal ones", "a cancelled one", "ground truth"],
)
@pytest.mark.parametrize("name", ["x.json", "x.jsonl"])
def test_annotations_of_a_task(read, annotations, name):
    assert read([task(*annotations)], name) == ENTITIES


def test_annotations_under_their_old_name(read):
    assert read([{"id": 1, "data": {"text": TEXT}, "completions": [annotation(ADA, OSLO)]}]) == ENTITIES


def test_different_annotations(read):
    tasks = [task(annotation()), task(annotation(ADA), annotation(ADA, OSLO))]
    with pytest.raises(DataError, match=r"^\[C147\].*x.json, record 2: found 2 annotations that differ.*ground truth"):
        read(tasks)
    assert read(tasks, repair=True) == [(TEXT, []), *ENTITIES]


def test_predictions_are_not_gold(read):
    guessed = [{"model_version": "1", "result": [span(*OSLO)]}]
    tasks = [task(annotation(ADA), predictions=guessed), task(predictions=guessed)]
    assert read(tasks) == [(TEXT, [("Ada", "PER")])]
    assert read.faults.notes == {"tasks without an annotation left out, though they have predictions": 1}
    with pytest.raises(DataError, match=r"C103.*no sentence; 1 tasks without an annotation left out, though"):
        read([{"id": 1, "data": {"text": TEXT}, "predictions": guessed}])


@pytest.mark.parametrize(
    "data",
    [
        {"body": TEXT, "url": "https://example.org/1"},
        {"text": "The title", "text2": TEXT},
        {"title": "Ada left Oslo. Ada", "named": TEXT},
    ],
)
def test_the_text_is_found_under_any_key(read, data):
    spans = [span(*ADA, to_name="named"), span(*OSLO, to_name="named")]
    assert read([task({"result": spans}, data=data)]) == ENTITIES


def test_results_of_other_types(read):
    other = {"from_name": "tone", "to_name": "text", "type": "choices", "value": {"choices": ["calm"]}}
    both = annotation(ADA, OSLO)
    both["result"].append(other)
    assert read([task(both)]) == ENTITIES
    assert read.faults.notes == {"results of the type 'choices' not read": 1}
    with pytest.raises(DataError, match="C142"):
        read([task({"result": [other]})])
    with pytest.raises(DataError, match=r"C151.*hypertextlabels"):
        read([task({"result": [span(*ADA, kind="hypertextlabels")]})])


def test_faults(read):
    with pytest.raises(DataError, match="C111"):
        read([task(annotation((0, 3, "Ada", "PER", "LOC")))])
    with pytest.raises(DataError, match="C109"):
        read([task(annotation((0, 3, "Ada")))])
    with pytest.raises(DataError, match="C145"):
        read([task(annotation((4, 8, "Oslo", "LOC")))])
    with pytest.raises(DataError, match=r"C116.*\"result\""):
        read([task({"id": 1})])


@pytest.mark.parametrize("keys", [{"label": "label", "text": "text"}, {"label": "ner", "text": "body"}])
def test_json_min(read, keys):
    spans = [
        {"start": 0, "end": 3, "text": "Ada", "labels": ["PER"]},
        {"start": 9, "end": 13, "text": "Oslo", "labels": ["LOC"]},
    ]
    record = {"id": 1, keys["text"]: TEXT, keys["label"]: spans, "annotator": 1, "annotation_id": 7, "lead_time": 3.1}
    assert read([record]) == ENTITIES


def test_utf16_units_of_javascript(read):
    text = "\U0001f600 Ada left Oslo."
    spans = [(3, 6, "Ada", "PER"), (12, 16, "Oslo", "LOC")]
    assert read([task(annotation(*spans), data={"text": text})]) == [(text, ENTITIES[0][1])]
    assert read.faults.notes == {"spans whose offsets count UTF-16 units, read so": 2}

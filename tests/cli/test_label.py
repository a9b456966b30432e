"""`label --uncertain`: from raw text to an annotation tool and back, and options that do not fit together."""

import json

import pytest
import spacy
from spacy.vocab import Vocab
from typer.testing import CliRunner

from spacy_crossner.cli import app
from spacy_crossner.data.docbin import read_docbin
from spacy_crossner.projects.inspection import Labelled, inspect

from .calls import listing, refused


def label(good, *words):
    result = CliRunner().invoke(app, [str(word) for word in ["label", good / "model", good / "text.txt", *words]])
    return result.exit_code, " ".join(result.output.split())


def submit(task):
    """Turn the prediction of a task into an annotation, as Label Studio does when a person submits it."""
    return {**task, "annotations": [{"id": 1, "result": task["predictions"][0]["result"]}]}


@pytest.mark.parametrize("tool", ["label-studio", "prodigy", "doccano"])
def test_the_sentences_come_back_as_training_data(good, tmp_path, tool):
    out = tmp_path / f"next.{'json' if tool == 'label-studio' else 'jsonl'}"
    code, output = label(good, "--uncertain", 5, "--to", tool, "--output", out)
    assert code == 0, output
    assert "5 sentences" in output
    text = out.read_text(encoding="utf8")
    if tool == "label-studio":
        assert '<Label value="person"/>' in output
        tasks = json.loads(text)
        written = {task["data"]["text"]: len(task["predictions"][0]["result"]) for task in tasks}
        out.write_text(json.dumps(list(map(submit, tasks))), encoding="utf8")
    else:
        records = [json.loads(line) for line in text.splitlines()]
        written = {record["text"]: len(record["spans" if tool == "prodigy" else "label"]) for record in records}
    assert len(written) == 5
    # `init` and `adapt` know it, too.
    (found,) = inspect(tmp_path)
    assert isinstance(found, Labelled)
    assert (found.sizes, sum(found.entities.values())) == ({"train": 5}, sum(written.values()))
    assert set(written) <= set((good / "text.txt").read_text(encoding="utf8").splitlines())
    result = CliRunner().invoke(app, ["convert", str(out), str(tmp_path / "next.spacy"), "--domain", "x"])
    assert result.exit_code == 0, result.output
    docs = read_docbin(tmp_path / "next.spacy", Vocab())
    assert {doc.text.strip(): len(doc.ents) for doc in docs} == written
    assert sum(written.values())


@pytest.mark.parametrize("tool", ["label-studio", "prodigy", "doccano"])
def test_offsets_after_emoji_and_combining_marks(good, tmp_path, tool):
    texts = ["😀 Ada Lovelace wrote notes 👩‍👩‍👧 in London .", "Zoe\u0308 ! Konrad Zuse showed the Z3 🧮 in Berlin ."]
    (tmp_path / "raw.txt").write_text("\n".join(texts), encoding="utf8")
    out = tmp_path / f"next.{'json' if tool == 'label-studio' else 'jsonl'}"
    words = ["label", good / "model", tmp_path / "raw.txt", "--uncertain", 2, "--lines", "--to", tool, "--output", out]
    result = CliRunner().invoke(app, list(map(str, words)))
    assert result.exit_code == 0, result.output
    if tool == "label-studio":
        tasks = json.loads(out.read_text(encoding="utf8"))
        out.write_text(json.dumps(list(map(submit, tasks))), encoding="utf8")
    result = CliRunner().invoke(app, ["convert", str(out), str(tmp_path / "next.spacy"), "--domain", "x"])
    assert result.exit_code == 0, result.output
    nlp = spacy.load(good / "model")
    expected = {doc.text: [(ent.text, ent.label_) for ent in doc.ents] for doc in nlp.pipe(texts)}
    docs = read_docbin(tmp_path / "next.spacy", Vocab())
    assert {doc.text: [(ent.text, ent.label_) for ent in doc.ents] for doc in docs} == expected
    assert all(expected.values())


def test_a_new_choice_leaves_out_the_old_one(good, tmp_path):
    """What was corrected is in a file that `--exclude` reads."""
    chosen = []
    for name in ("first.jsonl", "second.jsonl"):
        exclude = ["--exclude", tmp_path / "first.jsonl"] if chosen else []
        code, output = label(good, "--uncertain", 8, "--to", "doccano", "--output", tmp_path / name, *exclude)
        assert code == 0, output
        lines = (tmp_path / name).read_text(encoding="utf8").splitlines()
        chosen.append({json.loads(line)["text"] for line in lines})
    assert [len(texts) for texts in chosen] == [8, 8]
    assert not chosen[0] & chosen[1]
    assert "8 excluded sentences" in output


def test_several_texts(good, tmp_path):
    (tmp_path / "more.txt").write_text("Ada met Grace at the lab in Oslo .\n", encoding="utf8")
    code, output = label(
        good, tmp_path / "more.txt", "--uncertain", 500, "--to", "prodigy", "--output", tmp_path / "x.jsonl"
    )
    assert code == 0, output
    assert "50 sentences read" in output
    assert "has only" in output
    code, output = label(good, tmp_path / "more.txt", "--threshold", 0, "--output", tmp_path / "x.spacy")
    assert code == 0, output
    assert "of 50 sentences" in output


WRONG = {
    "--uncertain 3 --output {new}/x.jsonl": "C666",
    "--uncertain 3 --to brat --output {new}/x.jsonl": "C661",
    "--uncertain 3 --to prodigy --output {new}/x.spacy": "C662",
    "--uncertain 3 --to label-studio --output {new}/x.jsonl": "C662",
    "--uncertain 3 --to prodigy --threshold 0.5 --output {new}/x.jsonl": "[C660] --threshold does not fit --uncertain",
    "--uncertain 3 --to prodigy --domain x --output {new}/x.jsonl": "[C660] --domain does not fit --uncertain",
    "--uncertain 3 --to prodigy --min-words 0 --output {new}/x.jsonl": "C665",
    "--uncertain 3 --to prodigy --max-words 3 --output {new}/x.jsonl": "C665",
    "--uncertain 3 --to prodigy --exclude {text} --output {new}/x.jsonl": "C663",
    "--to prodigy --output {new}/x.spacy": "[C660] --to does not fit a call without --uncertain",
    "--lines --output {new}/x.spacy": "C660",
    "--min-words 3 --output {new}/x.spacy": "C660",
}


@pytest.mark.parametrize(("options", "said"), WRONG.items(), ids=list(WRONG))
def test_what_does_not_fit_is_refused(good, tmp_path, options, said):
    words = options.replace("{new}", str(tmp_path)).replace("{text}", str(good / "text.txt")).split()
    refused(["label", good / "model", good / "text.txt", *words], tmp_path, said)
    assert listing(tmp_path) == []

import json

import pytest
from typer.testing import CliRunner

from spacy_crossner.cli import app


def run(*arguments):
    return CliRunner().invoke(app, ["stats", *map(str, arguments)])


@pytest.fixture
def folder(tmp_path):
    texts = {
        "ai/train.txt": "Nets B-field\nlearn O\n\nIt O\nworks O\n",
        "ai/test.txt": "It O\nworks O\n\nData I-misc\n",
        "news/train.txt": "Nets B-misc\nbroke O\n x\n O\n",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf8")
    return tmp_path


def test_tables(folder):
    result = run(folder / "ai", folder / "news")
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.output.splitlines()]
    header = next(line for line in lines if line[:1] == ["set/split"])
    assert header[1:4] == ["sentences", "tokens", "entities"]
    # sentences, tokens, entities, entity tokens, longest, without entity, unlabelled, illegal, duplicates, types
    assert ["ai/train", "2", "4", "1", "1", "2", "1", "0", "0", "0", "1"] in lines
    assert ["ai/test", "2", "3", "1", "1", "2", "1", "0", "1", "0", "1"] in lines
    assert ["field", "1", "0"] in lines
    assert ["misc", "0", "1"] in lines
    assert ["ai/test", "train", "1"] in lines
    assert ["news/train", "lines", "with", "an", "empty", "token", "dropped", "2"] in lines
    # ai: nets, learn, works, data; news: nets, broke
    assert ["ai", "50.0"] in lines
    assert ["news", "50.0"] in lines


def test_json(folder):
    output = folder / "stats.json"
    result = run(folder / "ai", "--json", output)
    assert result.exit_code == 0, result.output
    counts = json.loads(output.read_text(encoding="utf8"))
    assert counts["sets"]["ai"]["test"]["shared"] == {"train": 1}
    assert counts["vocabulary_overlap"] == []
    assert "Vocabulary overlap" not in result.output


def test_a_missing_path(folder):
    result = run(folder / "none")
    assert result.exit_code == 1
    assert "no such file or folder" in " ".join(result.output.split())


def test_tokens_without_annotation(folder):
    record = {"text": "Ada left.", "spans": [{"start": 0, "end": 3, "label": "PER"}], "answer": "accept"}
    (folder / "x.jsonl").write_text(json.dumps({**record, "_view_id": "ner"}), encoding="utf8")
    lines = [line.split() for line in run(folder / "x.jsonl").output.splitlines()]
    assert [f"{folder.name}/x", "2"] in lines
    assert not any("annotation" in line for line in run(folder / "ai").output.splitlines())

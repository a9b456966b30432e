"""A call of each command that works, and the inputs it names."""

from pathlib import Path

from typer.testing import CliRunner

from spacy_crossner.cli import app

TOK2VEC = {"@architectures": "spacy.HashEmbedCNN.v2", "width": 16, "depth": 1, "embed_size": 100, "window_size": 1}
TOK2VEC.update(maxout_pieces=2, subword_features=True, pretrained_vectors=None)
CRF = {"factory": "crf_ner", "model": {"@architectures": "spacy_crossner.CRF.v1", "tok2vec": TOK2VEC}}

CONFIGS = Path(__file__).parents[2] / "configs"
# A call of each command that works, with the kind of each input in braces, `{kind:name}` where there are several.
CALLS = {
    "adapt": "{folder} --output {new}/out --encoder {encoder}",
    "annotate": "{model} {corpus} --output {new}/out.jsonl",
    "augment": "{docs:a} {docs:b} --output {new}/out.spacy",
    "bootstrap": "{model:a} {model:b} {docs} --samples 100 --output {new}/out.json",
    "calibrate": "{model} {docs} --output {new}/out",
    "compare": "{project} --settings one --methods crf --domains ai --seeds 1 --known {known} --output {new}/out",
    "convert": "{text} {new}/out.spacy --domain ai --raw --labels-out {new}/labels.json",
    "cross-validate": f"{CONFIGS}/finetune.cfg --output {{new}}/out --folds 2 --epochs 0.1 --min-steps 1 --seeds 1 "
    "--nlp.lang xx --paths.train {docs} --paths.labels {labels} --paths.pretrained {model}",
    "dapt": "{encoder} {text} --output {new}/out --max-steps 1 --block-size 16 --batch-size 2 -g -1",
    "evaluate": "{model} {docs} --drop-seen {docs:seen} --output {new}/out.json",
    "export": "{model:encoder} {new}/out --backend onnx --data {docs}",
    "init": "{folder} --output {new}/out --encoder {encoder} --yes",
    "label": "{model} {text} --output {new}/out.spacy --threshold 0",
    "package": "{model} {new}/packages --name a_name",
    "report": "{model} {docs} --output {new}/out.html",
    "select": "{text} --entities {names} --exclude {docs} --min-entities 1 --output {new}/out.txt",
    "silver": "{text} --names {names} --teacher {model} --gold {docs} --exclude {docs:seen} --sure 0.51 "
    "--output {new}/out.spacy",
    "self-train": "--train {docs} --dev {docs:a} --labels {labels} --pretrained {model} --raw {text} --names {names} "
    "--exclude {docs:seen} --teachers 1 --epochs 1 --min-steps 1 --sure 0.51 --nlp.lang xx "
    f"--target-config {CONFIGS}/finetune.cfg --student-config {CONFIGS}/student.cfg --output {{new}}/out",
    "split": "{docs} {new}/out --sizes a=1,b=rest",
    "stats": "{docs} --json {new}/out.json",
    "train": "{config} --output {new}/out",
    "vectors": "{text} --output {new}/out --min-count 1 --width 4 --buckets 50 --epochs 1",
}


def paths(good):
    return {
        "docs": good / "docs.spacy",
        "docs:a": good / "docs_a.spacy",
        "docs:b": good / "docs_b.spacy",
        "docs:seen": good / "seen.spacy",
        "folder": good / "files",
        "text": good / "text.txt",
        "corpus": good / "text.txt",
        "names": good / "names.tsv",
        "labels": good / "labels.json",
        "known": good / "known.jsonl",
        "model": good / "model",
        "model:a": good / "model",
        "model:b": good / "model",
        "model:encoder": good / "model_with_encoder",
        "config": good / "config.cfg",
        "encoder": good / "encoder",
        "project": good / "project",
    }


def words_of(command, named):
    text = CALLS[command]
    for name, path in named.items():
        text = text.replace("{" + name + "}", str(path))
    return [command, *text.split()]


def inputs_of(command):
    return [name for name in paths(Path()) if "{" + name + "}" in CALLS[command]]


def listing(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def refused(words, folder, *said):
    """Call a command that has to refuse; say what it printed."""
    before = listing(folder)
    result = CliRunner().invoke(app, [str(word) for word in words])
    output = " ".join(result.output.split())
    assert isinstance(result.exception, SystemExit), f"{result.exception!r}: {output}"
    assert result.exit_code != 0, output
    assert "Traceback" not in output
    for part in said:
        assert part in output, output
    # A grid goes on past a step that fails, and keeps the logs.
    assert listing(folder) == before or words[0] == "compare"

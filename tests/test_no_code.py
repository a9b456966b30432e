"""No code from files: Python beside an encoder or in a saved pipeline never runs, whatever a question is answered."""

import builtins
import json
import os
import pickle
import re
import shutil
from pathlib import Path
from zipfile import ZipFile

import pytest
import spacy
import srsly
import torch
from spacy.tokens import Doc
from spacy.training import Example
from typer.testing import CliRunner

from spacy_crossner.cli import app
from spacy_crossner.encoders.opening import open_encoder
from spacy_crossner.encoders.saved_tokenizer import tokenizer_to_files, without_code
from spacy_crossner.errors import CrossnerError
from spacy_crossner.storage.packaging import _check_members

CODE = """\
from pathlib import Path
Path({marker!r}).write_text("run")
from transformers import BertConfig as Config, BertModel as Model, BertTokenizerFast as Tokenizer
"""
TOKENIZER = {"auto_map": {"AutoTokenizer": ["evil.Tokenizer", "evil.Tokenizer"]}, "tokenizer_class": "Evil"}
MODEL = {"auto_map": {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"}, "model_type": "evil"}
MASKED = {**MODEL, "auto_map": {**MODEL["auto_map"], "AutoModelForMaskedLM": "evil.Model"}}


@pytest.fixture(autouse=True)
def marker(tmp_path, monkeypatch):
    """Give the file that the code would write; every question is answered with yes."""
    monkeypatch.setattr(builtins, "input", lambda *args: "y")
    path = tmp_path / "marker"
    yield path
    assert not path.exists()


def edit_json(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf8")), **changes}), encoding="utf8")


def hostile(tiny_encoder, folder, marker, part):
    """Write an encoder that asks for the Python file beside it."""
    shutil.copytree(tiny_encoder, folder)
    (folder / "evil.py").write_text(CODE.format(marker=str(marker)), encoding="utf8")
    if part == "tokenizer":
        edit_json(folder / "tokenizer_config.json", **TOKENIZER)
    elif part == "tokenizer in the config":
        (folder / "tokenizer_config.json").unlink()
        edit_json(folder / "config.json", tokenizer_class="Evil", auto_map=TOKENIZER["auto_map"])
    else:
        edit_json(folder / "config.json", **MASKED)
    return folder


PARTS = ["tokenizer", "tokenizer in the config", "model"]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("way", ["train", "dapt"])
def test_an_encoder_with_code_is_refused(tiny_encoder, tmp_path, marker, part, way):
    folder = hostile(tiny_encoder, tmp_path / "encoder", marker, part)
    (tmp_path / "raw.txt").write_text("ada met paris\n" * 9, encoding="utf8")
    expected = r"C085.*Code from files or from the network is never run|C082.*Tokenizer class Evil does not exist"
    if way == "train":
        with pytest.raises(CrossnerError, match=expected):
            open_encoder(str(folder), {}, {})
        return
    command = ["dapt", str(folder), str(tmp_path / "raw.txt"), "-o", str(tmp_path / "out"), "--gpu-id", "-1"]
    result = CliRunner().invoke(app, command, input="y\n" * 9)
    assert result.exit_code == 1
    assert re.search(expected, " ".join(result.output.split()))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("part", ["tokenizer", "model"])
def test_a_config_cannot_let_code_run(tiny_encoder, tmp_path, marker, part):
    folder = hostile(tiny_encoder, tmp_path / "encoder", marker, part)
    trust = {"trust_remote_code": True}
    settings = (trust, {}) if part == "tokenizer" else ({}, trust)
    with pytest.raises(CrossnerError, match=r"C085.*trust_remote_code in the config"):
        open_encoder(str(folder), *settings)


def test_code_that_is_not_needed_is_left_alone_and_not_named_again(tiny_encoder, tmp_path, marker):
    folder = hostile(tiny_encoder, tmp_path / "encoder", marker, "tokenizer")
    edit_json(folder / "tokenizer_config.json", tokenizer_class="BertTokenizer")
    edit_json(folder / "config.json", auto_map=MASKED["auto_map"])
    opened = open_encoder(str(folder), {}, {})
    files = tokenizer_to_files(opened.tokenizer)
    saved = b"".join(files.values()) + json.dumps(without_code(opened.model.config.to_dict())).encode("utf8")
    assert b"auto_map" not in saved
    assert b"evil" not in saved
    lines = [f"{name} met {other} in paris" for name in "abcdefgh" for other in "ijklmnop"]
    (tmp_path / "raw.txt").write_text("\n".join(lines), encoding="utf8")
    options = ["--gpu-id", "-1", "--max-steps", "1", "--head-steps", "0", "--block-size", "16", "--batch-size", "2"]
    options += ["--held-out", "0.2"]
    command = ["dapt", str(folder), str(tmp_path / "raw.txt"), "-o", str(tmp_path / "out"), *options]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    written = b"".join(path.read_bytes() for path in (tmp_path / "out").glob("*.json"))
    assert b"auto_map" not in written
    assert not list((tmp_path / "out").glob("*.py"))


@pytest.fixture(scope="module", params=["inside", pytest.param("shared", marks=pytest.mark.spacy_trf)])
def saved(request, tiny_encoder, tmp_path_factory):
    """Give the folder of a saved pipeline."""
    nlp = spacy.blank("xx")
    if request.param == "inside":
        tok2vec = {"@architectures": "spacy_crossner.Encoder.v1", "name": str(tiny_encoder)}
    else:
        encoder = {"@architectures": "spacy_crossner.TransformerModel.v1", "name": str(tiny_encoder)}
        encoder["get_spans"] = {"@span_getters": "spacy_crossner.PieceWindows.v1"}
        nlp.add_pipe("transformer", config={"model": encoder})
        pooling = {"pooling": {"@layers": "reduce_mean.v1"}, "grad_factor": 1.0}
        tok2vec = {"@architectures": "spacy-transformers.TransformerListener.v1", **pooling}
    nlp.add_pipe("crf_ner", config={"model": {"@architectures": "spacy_crossner.CRF.v1", "tok2vec": tok2vec}})
    gold = Doc(nlp.vocab, words=["Ada", "met"], ents=["B-person", "O"])
    nlp.initialize(lambda: [Example(nlp.make_doc("Ada met"), gold)])
    folder = tmp_path_factory.mktemp("pipeline") / "model"
    nlp.to_disk(folder)
    return folder


def change_encoder(folder, change):
    """Change what is saved of a pipeline's encoder."""
    shared = folder / "transformer" / "model"
    path = shared if shared.exists() else folder / "crf_ner" / "model"
    model = srsly.msgpack_loads(path.read_bytes())
    ((shims, i),) = [(shims, i) for shims in model["shims"] for i in range(len(shims)) if b"tokenizer" in shims[i]]
    shim = srsly.msgpack_loads(shims[i])
    change(shim)
    shims[i] = srsly.msgpack_dumps(shim)
    path.write_bytes(srsly.msgpack_dumps(model))


def json_bytes(value):
    return json.dumps(value).encode("utf8")


def with_tokenizer_settings(shim, **changes):
    settings = json.loads(shim["tokenizer"]["tokenizer_config.json"])
    shim["tokenizer"]["tokenizer_config.json"] = json_bytes({**settings, **changes})


class Evil:
    def __reduce__(self):
        return os.mkdir, (os.environ["EVIL"],)


def second_encoder(marker):
    """Return the config of a model that opens a second one as it is made, from a folder with code."""
    folder = Path(f"{marker}_folder")
    folder.mkdir()
    (folder / "evil.py").write_text(CODE.format(marker=marker), encoding="utf8")
    (folder / "config.json").write_text(json.dumps(MODEL), encoding="utf8")
    backbone = {"backbone": str(folder), "use_pretrained_backbone": True, "use_timm_backbone": False}
    return {"model_type": "detr", "backbone_config": None, **backbone}


PIPELINES = {
    "tokenizer class of its own": (lambda shim: with_tokenizer_settings(shim, **TOKENIZER), "C082"),
    "code beside the tokenizer": (lambda shim: shim["tokenizer"].update({"evil.py": b"1"}), "C086.*evil.py"),
    "program": (lambda shim: shim["tokenizer"].update({"evil.so": b"1"}), "C086.*evil.so"),
    "pickle": (lambda shim: shim["tokenizer"].update({"vocab.pkl": pickle.dumps(Evil())}), "C086.*vocab.pkl"),
    "pickled weights": (lambda shim: shim["tokenizer"].update({"pytorch_model.bin": b"1"}), "C086.*pytorch_model.bin"),
    "optimizer": (lambda shim: shim["tokenizer"].update({"optimizer.pt": b"1"}), "C086.*optimizer.pt"),
    "training arguments": (lambda shim: shim["tokenizer"].update({"training_args.bin": b"1"}), "C086.*training_args"),
    "without a suffix": (lambda shim: shim["tokenizer"].update({"evil": b"1"}), "C086.*evil"),
    "a second config": (lambda shim: shim["tokenizer"].update({"config.json": json_bytes(MODEL)}), "C086.*config.json"),
    "no bytes": (lambda shim: shim["tokenizer"].update({"vocab.txt": "text"}), "C086.*vocab.txt"),
    "path": (lambda shim: shim["tokenizer"].update({"../evil.txt": b"1"}), "C011.*evil.txt"),
    "path of Windows": (lambda shim: shim["tokenizer"].update({"..\\evil.txt": b"1"}), "C011.*evil.txt"),
    "architecture of its own": (lambda shim: shim["config"].update(MODEL), "C082"),
    "second encoder": (
        lambda shim: shim["config"].update(second_encoder(os.environ["EVIL"])),
        "C082.*masked language modelling .detr.",
    ),
    "pickle for weights": (lambda shim: shim.update(weights=pickle.dumps(Evil())), "C003.*damaged"),
    "newer format": (lambda shim: shim.update(format=2), "C080"),
}


@pytest.mark.parametrize(
    ("way", "kind"),
    [*(("load", kind) for kind in PIPELINES), ("package", "tokenizer class of its own"), ("package", "pickle")],
)
def test_a_pipeline_with_code_is_refused(saved, tmp_path, monkeypatch, marker, kind, way):
    monkeypatch.setenv("EVIL", str(marker))
    change, message = PIPELINES[kind]
    shutil.copytree(saved, tmp_path / "model")
    change_encoder(tmp_path / "model", change)
    # For relative names of modules.
    (tmp_path / "evil.py").write_text(CODE.format(marker=str(marker)), encoding="utf8")
    monkeypatch.chdir(tmp_path)
    if way == "load":
        with pytest.raises(CrossnerError, match=message):
            spacy.load(tmp_path / "model")
        return
    command = ["package", str(tmp_path / "model"), str(tmp_path / "dist"), "--name", "my_ner"]
    result = CliRunner().invoke(app, command, input="y\n" * 9)
    assert result.exit_code == 1
    assert message[:4] in result.output
    assert not (tmp_path / "dist").exists()


def tokenizer_of(nlp):
    if nlp.has_pipe("transformer"):
        return nlp.get_pipe("transformer").model.tokenizer
    return nlp.get_pipe("crf_ner").model.get_ref("tok2vec").shims[0].tokenizer


def test_settings_of_a_saved_tokenizer_read_nothing_outside(saved, tmp_path):
    shutil.copytree(saved, tmp_path / "model")
    (tmp_path / "other.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n", encoding="utf8")
    harmless = {"auto_map": TOKENIZER["auto_map"], "vocab_file": str(tmp_path / "other.txt")}
    harmless["tokenizer_file"] = str(tmp_path / "other.json")
    change_encoder(tmp_path / "model", lambda shim: with_tokenizer_settings(shim, **harmless))
    loaded = [spacy.load(folder) for folder in (tmp_path / "model", saved)]
    ours, theirs = map(tokenizer_of, loaded)
    assert ours.get_vocab() == theirs.get_vocab()
    assert ours("ada met paris")["input_ids"] == theirs("ada met paris")["input_ids"]


def write_python(folder, outside):
    (folder / "crf_ner" / "evil.py").write_text("1")


def write_pickle(folder, outside):
    # Whatever its name.
    (folder / "vocab" / "more.bin").write_bytes(pickle.dumps([1]))


def write_torch_file(folder, outside):
    torch.save({"a": torch.zeros(1)}, folder / "weights")


def write_link(folder, outside):
    (folder / "vocab" / "secrets").symlink_to(outside)


def write_folder_link(folder, outside):
    (folder / "more").symlink_to(outside.parent, target_is_directory=True)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (write_python, "evil.py, which is code"),
        (write_pickle, "more.bin, which is a pickle"),
        (write_torch_file, "weights, which is a pickle"),
        (write_link, "secrets, which is a link that leads out of the folder"),
        (write_folder_link, "more, which is a link that leads out of the folder"),
    ],
)
def test_what_is_no_part_of_a_pipeline_is_not_packaged(saved, tmp_path, spoil, message):
    shutil.copytree(saved, tmp_path / "model")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "secret.txt").write_text("secret")
    spoil(tmp_path / "model", tmp_path / "home" / "secret.txt")
    result = CliRunner().invoke(app, ["package", str(tmp_path / "model"), str(tmp_path / "dist"), "--name", "my_ner"])
    assert result.exit_code == 1
    output = " ".join(result.output.split())
    assert "C089" in output
    assert message in output
    assert not (tmp_path / "dist").exists()


@pytest.mark.parametrize("lang", ["../../up", "/abs", "en/..", "e n", ".."])
def test_a_language_is_no_path(saved, tmp_path, lang):
    shutil.copytree(saved, tmp_path / "model")
    edit_json(tmp_path / "model" / "meta.json", lang=lang)
    result = CliRunner().invoke(app, ["package", str(tmp_path / "model"), str(tmp_path / "dist"), "--name", "my_ner"])
    assert result.exit_code == 1
    assert "is not the code of a language" in " ".join(result.output.split())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]


@pytest.mark.parametrize("options", [["--name", "../x"], ["--name", "ok", "--version", "../1"], ["--name", "/x"]])
def test_a_name_or_version_is_no_path(saved, tmp_path, options):
    result = CliRunner().invoke(app, ["package", str(saved), str(tmp_path / "dist"), *options])
    assert result.exit_code == 1
    assert "C301" in result.output or "C302" in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("member", ["../evil.py", "/evil.py", "evil.py", "my_ner/../evil.py", "my_ner-0.2.dist-info/x"])
def test_members_of_a_wheel_lie_in_its_package(tmp_path, member):
    with ZipFile(tmp_path / "x.whl", "w") as archive:
        archive.writestr("my_ner/__init__.py", "")
        archive.writestr("my_ner-0.1.dist-info/METADATA", "")
    _check_members(tmp_path / "x.whl", "my_ner", "0.1")
    with ZipFile(tmp_path / "x.whl", "a") as archive:
        archive.writestr(member, "")
    with pytest.raises(CrossnerError, match=r"C091.*lies outside the package my_ner"):
        _check_members(tmp_path / "x.whl", "my_ner", "0.1")

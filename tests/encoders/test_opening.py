"""What cannot be opened is one sentence that names the reason, the same for `train` and `dapt`."""

import ast
import json
import shutil
from importlib.metadata import distribution
from pathlib import Path

import pytest
import spacy
import torch
from packaging.requirements import Requirement
from packaging.version import Version
from safetensors.torch import load_file, save_file
from transformers import (
    BertTokenizerFast,
    FNetConfig,
    FNetModel,
    GPT2Config,
    GPT2Model,
    T5Config,
    T5Model,
)

from spacy_crossner.dapt.masking import Masking
from spacy_crossner.dapt.mlm_head import load_masked_model, load_tokenizer
from spacy_crossner.dapt.settings import DaptSettings
from spacy_crossner.dapt.train import adapt_encoder
from spacy_crossner.encoders import folders
from spacy_crossner.encoders.folders import HOLE
from spacy_crossner.encoders.opening import open_config, open_encoder, open_tokenizer
from spacy_crossner.encoders.saved_encoder import make_encoder
from spacy_crossner.encoders.saved_tokenizer import tokenizer_from_files, tokenizer_to_files
from spacy_crossner.errors import CrossnerError

ROOT = Path(__file__).parents[2]


def open_for_training(name):
    open_encoder(str(name), {}, {})


def open_for_adaptation(name):
    load_tokenizer(str(name))
    load_masked_model(str(name))


def write_json(path, value):
    path.write_text(json.dumps(value), encoding="utf8")


def edit_json(path, **changes):
    write_json(path, {**json.loads(path.read_text(encoding="utf8")), **changes})


def write_model(folder, model):
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder)


def without_weight(folder):
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def other_shapes(folder):
    edit_json(folder / "config.json", intermediate_size=8)


def as_pickle(folder):
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def in_parts(folder, part="model-00001-of-00001.safetensors"):
    (folder / "model.safetensors").rename(folder / "rest.safetensors")
    write_json(folder / "model.safetensors.index.json", {"weight_map": {"a": part}})


def without_tokenizer(folder):
    for name in ("tokenizer.json", "vocab.txt", "tokenizer_config.json", "special_tokens_map.json"):
        # transformers 5 writes tokenizer.json and tokenizer_config.json alone.
        (folder / name).unlink(missing_ok=True)


def as_sentence_transformers(folder):
    inner = folder / "0_Transformer"
    inner.mkdir()
    for path in list(folder.iterdir()):
        if path != inner:
            path.rename(inner / path.name)
    write_json(folder / "modules.json", [])


def as_pipeline(folder):
    shutil.rmtree(folder)
    spacy.blank("en").to_disk(folder)


def as_adapter(folder):
    for path in list(folder.iterdir()):
        path.unlink()
    write_json(folder / "adapter_config.json", {"base_model_name_or_path": "bert-base-cased", "peft_type": "LORA"})


def as_link(folder):
    outside = folder.parent / "outside.txt"
    (folder / "vocab.txt").rename(outside)
    (folder / "vocab.txt").symlink_to(outside)


def wide_tokenizer(folder):
    tokenizer = BertTokenizerFast.from_pretrained(folder)
    tokenizer.add_tokens(["foo", "bar"])
    tokenizer.save_pretrained(folder)


SMALL = {"vocab_size": 200, "n_positions": 64}
FAULTS = {
    "no config": (lambda f: (f / "config.json").unlink(), "there is no config.json in it"),
    "config cut off": (lambda f: (f / "config.json").write_text("{"), "its config.json is damaged"),
    "config is a list": (lambda f: write_json(f / "config.json", [1]), r"its config.json is damaged \(not an object\)"),
    "unknown architecture": (
        lambda f: edit_json(f / "config.json", model_type="novel"),
        "names the architecture 'novel', which transformers .* does not know",
    ),
    "no architecture": (lambda f: edit_json(f / "config.json", model_type=None), "names no architecture"),
    "quantised": (
        lambda f: edit_json(f / "config.json", quantization_config={"quant_method": "bitsandbytes"}),
        "its weights are quantized",
    ),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), r"there are no weights \(model.safetensors\) in it"),
    "pickled weights": (as_pickle, r"its weights are pickled \(pytorch_model.bin\); only safetensors are read"),
    "a part is missing": (in_parts, "model-00001-of-00001.safetensors is missing"),
    "a part outside": (lambda f: in_parts(f, "../rest.safetensors"), "names the file '../rest.safetensors'"),
    "damaged weights": (lambda f: (f / "model.safetensors").write_bytes(b"cut off"), "its weights are damaged"),
    "a weight is missing": (without_weight, "it lacks weights .*encoder.layer.1.output.dense.weight"),
    "other shapes": (other_shapes, "the shapes of its weights do not match its config.json"),
    "no tokenizer": (without_tokenizer, r"there is no tokenizer in it \(tokenizer.json"),
    "tokenizer cut off": (
        lambda f: (f / "tokenizer.json").write_text("{"),
        r"its tokenizer.json is damaged \(Expecting property name",
    ),
    "more tokens than embeddings": (
        wide_tokenizer,
        r"its tokenizer has \d+ tokens, but its model has \d+ word embeddings",
    ),
    "encoder-decoder": (
        lambda f: write_model(f, T5Model(T5Config(d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2))),
        r"it is an encoder-decoder model \(t5\)",
    ),
    "decoder": (
        lambda f: write_model(f, GPT2Model(GPT2Config(n_embd=16, n_layer=1, n_head=2, **SMALL))),
        r"it is not an encoder for masked language modelling \(gpt2\)",
    ),
    "encoder as a decoder": (
        lambda f: edit_json(f / "config.json", is_decoder=True),
        r"it is not an encoder for masked language modelling \(bert\)",
    ),
    "no attention mask": (
        lambda f: write_model(f, FNetModel(FNetConfig(hidden_size=16, num_hidden_layers=1, vocab_size=200))),
        "FNet.* takes no attention mask",
    ),
    "sentence-transformers": (as_sentence_transformers, "it is a sentence-transformers model.*give .*0_Transformer"),
    "spaCy pipeline": (as_pipeline, "it is a spaCy pipeline"),
    "adapter": (as_adapter, r"it is an adapter \(PEFT\). Merge it into bert-base-cased"),
    "link": (as_link, "vocab.txt is a link that leads out of the folder"),
    "a vocabulary outside": (
        lambda f: edit_json(f / "tokenizer_config.json", vocab_file="../vocab.txt"),
        "tokenizer_config.json names a vocab_file outside the folder",
    ),
    "Marian's vocabulary outside": (
        lambda f: edit_json(f / "tokenizer_config.json", vocab="../vocab.json"),
        "tokenizer_config.json names a vocab outside the folder",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("way", [open_for_training, open_for_adaptation], ids=["train", "dapt"])
def test_what_is_wrong_with_a_folder_is_one_sentence(tiny_encoder, tmp_path, fault, way):
    folder = tmp_path / "encoder"
    shutil.copytree(tiny_encoder, folder)
    spoil, message = FAULTS[fault]
    spoil(folder)
    if fault == "more tokens than embeddings" and way is open_for_adaptation:
        # There the two are opened one after the other.
        def way(name):
            settings = DaptSettings(epochs=1, batch_size=1)
            (tmp_path / "raw.txt").write_text("Ada met Grace.", encoding="utf8")
            adapt_encoder(
                str(name), [tmp_path / "raw.txt"], tmp_path / "out", masking=Masking(), settings=settings, gpu_id=-1
            )

    with pytest.raises(CrossnerError, match=rf"C082.*'{folder}' cannot be used: .*{message}") as caught:
        way(folder)
    # A sentence or two, nothing of a traceback or of transformers' advice.
    assert len(str(caught.value)) < 500
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("no-such-encoder", "the Hugging Face hub cannot be reached"),
        ("owner/encoder", "the Hugging Face hub cannot be reached"),
        ("no_such_package/model", "the Hugging Face hub cannot be reached"),
        ("./no/such/folder", "the Hugging Face hub does not allow such a name"),
        ("/no/such/folder", "the Hugging Face hub does not allow such a name"),
    ],
)
@pytest.mark.parametrize("way", [open_for_training, open_for_adaptation], ids=["train", "dapt"])
def test_a_name_of_nothing_is_said_to_be_that(name, problem, way):
    with pytest.raises(CrossnerError, match=f"C005.*'{name}': no folder has this path, .* and {problem}"):
        way(name)


@pytest.mark.parametrize(
    ("version", "has_hole"),
    [
        ("4.50.0", False),
        ("4.55.4", False),
        ("4.56.0.dev0", True),
        ("4.56.0", True),
        ("4.57.6", True),
        ("5.0.0", True),
        ("5.2.0", True),
        ("5.3.0rc1", True),
        ("5.3.0", False),
        ("5.24.0", False),
    ],
)
def test_a_version_of_transformers_with_the_hole_opens_nothing(tiny_encoder, monkeypatch, version, has_hole):
    opened = open_encoder(str(tiny_encoder), {}, {})
    config, files = opened.model.config.to_dict(), tokenizer_to_files(opened.tokenizer)
    # transformers 5 replaces its module on import, so that another import may be another object.
    monkeypatch.setattr(folders.transformers, "__version__", version)
    ways = [
        lambda: open_config(str(tiny_encoder)),
        lambda: open_config("no-such-encoder"),
        lambda: open_tokenizer(str(tiny_encoder)),
        lambda: make_encoder(config, None, torch.float32),
        lambda: tokenizer_from_files(files, config, True),
    ]
    messages = []
    for way in ways:
        try:
            way()
        except CrossnerError as error:
            messages.append(str(error)[:6])
    assert messages == (["[C088]"] * 5 if has_hole else ["[C005]"])


def test_the_package_requires_a_version_of_transformers_without_the_hole():
    requirements = [Requirement(line) for line in distribution("spacy-crossner").requires]
    (required,) = [item.specifier for item in requirements if item.name == "transformers"]
    versions = [f"4.{i}.{j}" for i in range(48, 58) for j in range(8)]
    versions += [f"5.{i}.{j}" for i in range(30) for j in range(5)]
    excluded = [version for version in versions if version >= "4.50" and not required.contains(version)]
    assert excluded == [version for version in versions if HOLE[0] <= Version(version) < HOLE[1]]
    assert required.contains("4.50.0")
    assert required.contains("5.3.0")


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "weights").write_text("x")
    with pytest.raises(CrossnerError, match=r"C082.*it is a file"):
        open_for_training(tmp_path / "weights")


def test_links_of_the_hubs_own_cache_are_followed(tiny_encoder, tmp_path):
    snapshot, blobs = tmp_path / "snapshots" / "abc", tmp_path / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for i, path in enumerate(tiny_encoder.iterdir()):
        shutil.copy(path, blobs / str(i))
        (snapshot / path.name).symlink_to(Path("..") / ".." / "blobs" / str(i))
    open_for_training(snapshot)


def test_a_pooler_may_be_missing(tiny_encoder, tmp_path):
    # Adapted encoders and those of masked language models have none.
    shutil.copytree(tiny_encoder, tmp_path / "encoder")
    weights = load_file(tiny_encoder / "model.safetensors")
    kept = {name: value for name, value in weights.items() if not name.startswith("pooler.")}
    assert len(kept) < len(weights)
    save_file(kept, tmp_path / "encoder" / "model.safetensors", metadata={"format": "pt"})
    open_for_training(tmp_path / "encoder")


def calls(tree):
    for node in ast.walk(tree):
        is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if is_call and node.func.attr in ("from_pretrained", "from_config"):
            yield node


def test_no_call_lets_transformers_run_code():
    found = []
    for folder in ("spacy_crossner", "benchmarks"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for call in calls(ast.parse(path.read_text(encoding="utf8"))):
                given = {keyword.arg: keyword.value for keyword in call.keywords}
                value = given.get("trust_remote_code")
                found.append((f"{path.name}:{call.lineno}", getattr(value, "value", None) is False))
    assert len(found) >= 10
    assert [place for place, is_safe in found if not is_safe] == []


def test_nothing_in_the_package_unpickles_or_evaluates():
    names = {
        "pickle",
        "dill",
        "joblib",
        "cloudpickle",
        "marshal",
        "shelve",
        "eval",
        "exec",
        "huggingface_from_pretrained",
    }
    for path in sorted((ROOT / "spacy_crossner").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                found = {alias.name.partition(".")[0] for alias in node.names} | {getattr(node, "module", None)}
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                found = {node.func.id}
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                found = {"pickle"} if (node.value.id, node.attr) in {("torch", "load"), ("yaml", "load")} else set()
            elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                found = {"pickle"}
            else:
                continue
            assert not found & names, f"{path.name}:{node.lineno}"

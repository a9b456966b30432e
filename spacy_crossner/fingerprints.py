"""What a result depends on: settings, the contents of the files, folders and encoders that these name, versions.

Training, adaptation, vectors and comparisons know their results by it, so that nothing made of other inputs is taken
over. A finished output holds its fingerprint in `fingerprint.json`, with the digests of what was made.
"""

import hashlib
import importlib.util
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

# What a result depends on, by name.
Fingerprint = Dict[str, str]

PACKAGES = ("torch", "spacy", "thinc", "transformers", "spacy-crossner")
RECORD = "fingerprint.json"
HERE = Path()
# Where settings name what training reads; all others refer to these or are written to.
SECTIONS = ("components", "corpora", "initialize", "training")
WRITTEN = "training.logger."
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
    folder, left_out = path.resolve(), {other.resolve() for other in without}
    listed = [(file.relative_to(folder).as_posix(), file_digest(file)) for file in _files(folder, left_out)]
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()


def encoder_digest(name: str, folder: Path = HERE) -> str:
    """Return what an encoder is known by: the digest of its folder, or its commit on the Hugging Face hub.

    name (str): as `find_encoder` takes it.
    folder (Path): what its path begins from.
    RETURNS (str): "" where there is none, or none yet: the commit is known once the encoder is in the cache.
    """
    if name and os.path.exists(folder / name):
        return path_digest(folder / name)
    if not HUB_NAME.fullmatch(name):
        return ""
    package = name.partition("/")[0]
    # A folder where we are would be taken for a package, too.
    if "/" in name and package.isidentifier() and not os.path.isdir(package) and importlib.util.find_spec(package):
        # Here, as it imports what takes seconds.
        from .models.encoder_folder import find_encoder

        found = find_encoder(name)
        if found != name:
            return path_digest(Path(found))
    return _hub_commit(name)


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
    for name, value in settings.items():
        if name.startswith(SECTIONS) and not name.startswith(WRITTEN):
            for text in _strings(value):
                digest = _content_digest(name, text, without, folder)
                if digest:
                    found[f"the content of {text}"] = digest
    return found


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> List[str]:
    """Return the names under which two fingerprints differ."""
    return [name for name in before if before[name] != now.get(name)] + [name for name in now if name not in before]


def in_words(names: Sequence[str]) -> str:
    """Return some of the names for a message."""
    return ", ".join(names[:NAMED_IN_MESSAGE]) + (" ..." if len(names) > NAMED_IN_MESSAGE else "")


def write_record(folder: Path, fingerprint: Fingerprint, made: Iterable[str]) -> None:
    """Write what a finished output was made of.

    folder (Path): the output.
    fingerprint (Fingerprint): what it depends on.
    made (Iterable[str]): the files and folders in it that were made.
    """
    content = {"fingerprint": fingerprint, "made": {name: path_digest(folder / name) for name in sorted(made)}}
    write_files({folder / RECORD: (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()})


def is_up_to_date(folder: Path, fingerprint: Fingerprint) -> bool:
    """Say whether an output is finished, made of the same and unchanged since; print which, or what differs."""
    try:
        record = srsly.read_json(folder / RECORD)
        before, made = dict(record["fingerprint"]), dict(record["made"])
    except (OSError, ValueError, KeyError, TypeError):
        # There is none, or none that is whole.
        return False
    changed = differences(before, fingerprint)
    if not changed:
        changed = [f"{folder / name} itself" for name, digest in made.items() if path_digest(folder / name) != digest]
    if changed:
        msg.info(f"{folder} is made anew: not as when it was made: {in_words(changed)}")
        return False
    msg.info(f"{folder} is kept: nothing changed since it was made")
    return True


def _content_digest(setting: str, text: str, without: Sequence[Path], folder: Path) -> str:
    """Return the digest of what a setting names; "" if it names nothing."""
    # Any string may stand in a config: `os.path` takes one that cannot be a path.
    if os.path.exists(folder / text):
        return path_digest(folder / text, without)
    if setting.endswith(".source") and util.is_package(text):
        return path_digest(util.get_package_path(text))
    is_encoder = setting.startswith("components.") and setting.endswith(".name")
    return encoder_digest(text, folder) if is_encoder else ""


def _strings(value: Any) -> List[str]:
    values = value if isinstance(value, (list, tuple)) else [value]
    return [one for one in values if isinstance(one, str) and one]


def _files(folder: Path, left_out: Set[Path]) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        # Python writes the latter when a package is imported.
        if path.is_file() and "__pycache__" not in path.parts and left_out.isdisjoint([path, *path.parents]):
            yield path


def _hub_commit(name: str) -> str:
    """Return the commit of a model in the cache of the Hugging Face hub; "" if it is not there."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(name, "config.json")
    except HFValidationError:
        return ""
    return f"commit {Path(found).parent.name}" if isinstance(found, str) else ""

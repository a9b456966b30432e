"""Build a wheel from a saved pipeline, with a module name that the user chooses: `spacy.load("crossner_ai")`.

`spacy package` always puts the language before the name (`en_crossner_ai`). The requirements of the pipeline come from
spaCy's functions. The files of the package come from our own templates, and its README is the model card of
`evaluation/card/`, in place of the README that `spacy package` generates.
"""

import keyword
import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import entry_points, packages_distributions
from pathlib import Path, PurePosixPath
from typing import Any, Callable, Dict, List, Tuple
from zipfile import ZipFile

import srsly
from packaging.version import InvalidVersion, Version
from spacy.cli.package import get_meta
from spacy.schemas import ModelMetaSchema, validate

from ..errors import CrossnerError
from .loading import BROKEN_FILES, describe
from .package_templates import INIT_PY, PYPROJECT, README, SETUP_PY

C301 = (
    "[C301] '{name}' cannot be the name of a package: {why}. Use a name of ASCII letters, digits and single "
    "underscores that begins with a letter and ends with a letter or digit, such as 'crossner_ai'."
)
C302 = "[C302] '{version}' is not a version number. Use a number such as '0.1.0'."
C303 = "[C303] {model} is not the folder of a saved pipeline: {why}. Give a folder such as 'training/model-best'."
C304 = "[C304] {wheel} exists. Give --force to replace it, or another --version."
C305 = "[C305] Cannot build the package: {why}"
C089 = (
    "[C089] {model} contains {file}, which {problem}. No pipeline needs such a file. Remove it, or get the pipeline "
    "from a source that you trust."
)
C091 = "[C091] The wheel would contain '{file}', which lies outside the package {name}. Nothing was written."
C306 = "[C306] The output folder {output_dir} lies in the pipeline's own folder {model}. Give a folder outside it."

MakeCard = Callable[[Path, Dict[str, Any]], Tuple[Dict[str, Any], str]]
# Suffixes of files that run when they are imported or opened. No component saves such a file.
CODE_SUFFIXES = (".py", ".pyc", ".pyd", ".so", ".dll", ".dylib", ".sh", ".bat", ".exe", ".pth")
# First bytes of pickles, and of archives with pickles, such as PyTorch's files. File names are no evidence.
PICKLES = (b"PK\x03\x04", *(bytes([0x80, protocol]) for protocol in range(2, 6)))


def package_pipeline(
    model: Path, output_dir: Path, name: str, make_card: MakeCard, *, version: str = "0.1.0", force: bool = False
) -> Path:
    """Build a wheel from a saved pipeline; it needs no network.

    model (Path): the folder of the pipeline.
    output_dir (Path): the folder for the wheel, created if needed. The wheel is moved there when it is complete.
    name (str): the name of the distribution and of its module: `spacy.load(name)`.
    make_card (MakeCard): takes the pipeline's folder and its meta data, and returns the meta data of the package and
        the model card. A README.md in the pipeline's folder is taken in place of the card.
    version (str): the version of the package.
    force (bool): replace a wheel of the same name and version.
    RETURNS (Path): the wheel.
    RAISES (CrossnerError): the name or version is not valid, the folder holds no pipeline, the wheel exists, or the
        output folder is inside the pipeline's folder.
    """
    model, output_dir = Path(model), Path(output_dir)
    _check_name(name)
    try:
        version = str(Version(version))
    except InvalidVersion as error:
        raise CrossnerError(C302.format(version=version)) from error
    wheel_name = f"{name}-{version}-py3-none-any.whl"
    wheel = output_dir / wheel_name
    if wheel.exists() and not force:
        raise CrossnerError(C304.format(wheel=wheel))
    if output_dir.resolve().is_relative_to(model.resolve()):
        raise CrossnerError(C306.format(output_dir=output_dir, model=model))
    _check_files(model)
    meta, card = make_card(model, _package_meta(model, name, version))
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
        # Built inside the output folder, so that the last step is a rename on the same file system.
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=output_dir) as folder:
            source = Path(folder) / "source"
            _write_source(source, model, meta, _readme(model, meta, card, wheel_name))
            built = _build_wheel(source, Path(folder) / "wheel")
            _check_members(built, name, version)
            os.replace(built, wheel)
    except OSError as error:
        raise CrossnerError(C305.format(why=error)) from error
    return wheel


def _check_name(name: str) -> None:
    problem = ""
    if not re.fullmatch(r"[A-Za-z]([A-Za-z0-9]|_(?!_|$))*", name) or keyword.iskeyword(name):
        problem = "it is not a valid name for both pip and Python"
    elif name in sys.stdlib_module_names:
        problem = "it is a module of Python's own"
    elif name in packages_distributions() and name not in entry_points(group="spacy_models").names:
        problem = "an installed package that is not a pipeline has this name"
    if problem:
        raise CrossnerError(C301.format(name=name, why=problem))


def _check_files(model: Path) -> None:
    """Check that a pipeline's folder holds no code, no pickle and no link that leads out of it.

    RAISES (CrossnerError): the folder holds such a file.
    """
    root = model.resolve()
    for path in sorted(root.rglob("*")):
        problem = ""
        if not path.resolve().is_relative_to(root):
            problem = "is a link that leads out of the folder"
        elif path.suffix.lower() in CODE_SUFFIXES:
            problem = "is code"
        elif path.is_file():
            with path.open("rb") as file:
                if file.read(4).startswith(PICKLES):
                    problem = "is a pickle, which may run code when it is read"
        if problem:
            raise CrossnerError(C089.format(model=model, file=path.relative_to(root), problem=problem))


def _check_members(wheel: Path, name: str, version: str) -> None:
    """Check that all files of a wheel are inside the package.

    RAISES (CrossnerError): a file is outside the package.
    """
    with ZipFile(wheel) as archive:
        for file in archive.namelist():
            parts = PurePosixPath(file).parts
            if parts[:1] not in ((name,), (f"{name}-{version}.dist-info",)) or ".." in parts or "\\" in file:
                raise CrossnerError(C091.format(file=file, name=name))


def _package_meta(model: Path, name: str, version: str) -> Dict[str, Any]:
    """Return the meta data of the package, its requirements read off the pipeline's config."""
    for file in ("meta.json", "config.cfg"):
        if not (model / file).is_file():
            raise CrossnerError(C303.format(model=model, why=f"there is no {file} in it"))
    try:
        meta = get_meta(model, srsly.read_json(model / "meta.json"), require_parent=True)
    except BROKEN_FILES as error:
        raise CrossnerError(C303.format(model=model, why=describe(error))) from error
    meta.update(name=name, version=version)
    faults: List[str] = validate(ModelMetaSchema, meta)
    if not re.fullmatch(r"[A-Za-z]\w*", str(meta["lang"])):
        # The language is the start of a folder's name.
        faults.append(f"'{meta['lang']}' is not the code of a language")
    if faults:
        raise CrossnerError(C303.format(model=model, why=f"its meta.json is not valid, {'; '.join(faults)}"))
    return meta


def _write_source(source: Path, model: Path, meta: Dict[str, Any], readme: str) -> None:
    module = source / meta["name"]
    # The name that `load_model_from_init_py` looks for.
    data = module / f"{meta['lang']}_{meta['name']}-{meta['version']}"
    module.mkdir(parents=True)
    shutil.copytree(model, data)
    for folder in (source, module, data):
        srsly.write_json(folder / "meta.json", meta)
    for path, text in {
        source / "setup.py": SETUP_PY,
        source / "pyproject.toml": PYPROJECT,
        source / "README.md": readme,
        data / "README.md": readme,
        module / "__init__.py": INIT_PY,
    }.items():
        path.write_text(text, encoding="utf8")


def _readme(model: Path, meta: Dict[str, Any], card: str, wheel_name: str) -> str:
    readme = model / "README.md"
    needs_ours = any(requirement.startswith("spacy-crossner") for requirement in meta["requirements"])
    return README.format(
        name=meta["name"],
        install="pip install spacy-crossner\n" if needs_ours else "",
        wheel=wheel_name,
        description=readme.read_text(encoding="utf8") if readme.is_file() else card,
    )


def _build_wheel(source: Path, folder: Path) -> Path:
    """Build the wheel with the installed setuptools and pip."""
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", str(folder), str(source)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if result.returncode != 0 or len(wheels) != 1:
        raise CrossnerError(C305.format(why=(result.stderr or result.stdout).strip()[-2000:]))
    return wheels[0]

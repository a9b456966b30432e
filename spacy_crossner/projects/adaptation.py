"""`adapt`: from a user's files to a pipeline in one call, by the steps of the project that `init` writes."""

import shutil
import zipfile
from pathlib import Path
from typing import Dict, Optional, Sequence, Type, TypeVar, Union

import spacy
from spacy.language import Language
from wasabi import msg
from weasel.cli.run import project_run
from weasel.util import load_project_config

from ..errors import CrossnerError, Errors
from ..evaluation.report import report_files
from ..storage.locks import only_writer
from ..storage.outputs import check_pipeline
from ..training.checkpoint import new_folder
from .inspection import Labelled, Names, RawText, Unread, look_at
from .page import WORKFLOW, package_name, write_project
from .plan import Plan, domain_name

# Steps that change the environment of the user: `adapt` leaves them out.
LEFT_OUT = ("install",)
REPORT = "report.html"
# That of the template.
VERSION = "0.1.0"
KINDS: Dict[Type[object], str] = {Labelled: "labelled text", RawText: "raw text", Names: "a list of names"}
PathLike = Union[str, Path]
Kind = TypeVar("Kind", Labelled, RawText, Names)


def adapt(
    train: PathLike,
    *,
    output: PathLike,
    dev: Optional[PathLike] = None,
    test: Optional[PathLike] = None,
    source: Optional[PathLike] = None,
    raw: Union[PathLike, Sequence[PathLike], None] = None,
    names: Optional[PathLike] = None,
    domain: str = "",
    encoder: str = "",
    method: str = "auto",
    lang: str = "en",
    gpu_id: int = -1,
) -> Language:
    """Train a pipeline for a domain, and return it.

    The steps are those of the project that `spacy-crossner init` writes, which is kept beside the output. A call with
    the same inputs goes on where a killed one stopped, and keeps what is finished.

    train (PathLike): labelled text in any format that `convert` reads: a file, or a folder with train, dev and test.
    output (PathLike): the folder of the pipeline, for `spacy.load`, with the report page. `OUTPUT.project` is
        the project, with the wheel in `packages/`.
    dev, test (Optional[PathLike]): labelled files. Without dev, cross-validation takes its place. With dev and without
        test, a fifth of the sentences is drawn for it. Without both there is no report page.
    source (Optional[PathLike]): labelled text of a general domain.
    raw (Union[PathLike, Sequence[PathLike], None]): raw text of the domain.
    names (Optional[PathLike]): a list of names in it.
    domain (str): the name of the domain; "" for the name of the file or folder.
    encoder (str): a folder, a folder in a package, or a name on the Hugging Face hub; "" for MiniLM.
    method (str): the name of a config, or "auto" for the project's default.
    lang (str): the language of the text.
    gpu_id (int): GPU, -1 for the CPU.
    RETURNS (Language): the calibrated pipeline.
    RAISES (CrossnerError): a file is missing or is something else, a step fails, or another process writes the output.
    """
    output = Path(output)
    raw_paths = [raw] if isinstance(raw, (str, Path)) else list(raw or [])
    with only_writer(project_of(output)):
        # Before anything is trained.
        check_pipeline(output)
        domain = domain or domain_name(Path(train))
        labelled = _gather(Path(train), dev, test, project_of(output) / "files" / domain)
        plan = Plan(
            _expect(labelled, Labelled, lang),
            domain,
            _expect(source, Labelled, lang) if source else None,
            [_expect(path, RawText, lang).path for path in raw_paths],
            _expect(names, Names, lang) if names else None,
            lang=lang,
            gpu_id=gpu_id,
        )
        plan.encoder = encoder or plan.encoder
        plan.method = plan.method if method == "auto" else method
        write_project(plan, project_of(output))
        run_project(plan, output)
    return spacy.load(output)


def project_of(output: Path) -> Path:
    """Return the folder of the project of an output: beside it, since the output is replaced as a whole."""
    return output.with_name(f"{output.name}.project")


def run_project(plan: Plan, output: Path) -> Path:
    """Run the steps of a project that `write_project` has written, and unpack the packaged pipeline with a report page.

    A step whose inputs have not changed is skipped, and a killed run goes on.

    plan (Plan): the plan.
    output (Path): the folder of the pipeline.
    RETURNS (Path): the wheel of the pipeline.
    RAISES (CrossnerError): a step fails, or the output folder holds something else.
    """
    folder = project_of(output)
    for step in load_project_config(folder)["workflows"][WORKFLOW]:
        if step in LEFT_OUT:
            continue
        try:
            project_run(folder, step, parent_command="spacy project")
        except SystemExit as error:
            if error.code:
                raise CrossnerError(Errors.C655.format(step=step, folder=folder, code=error.code)) from error
    name, test = package_name(plan), folder / "corpus" / plan.domain / "test.spacy"
    wheel = folder / "packages" / f"{name}-{VERSION}-py3-none-any.whl"
    with new_folder(output) as copy:
        # The packaged pipeline: it has the model card, too.
        unpack(wheel, f"{name}/{plan.lang}_{name}-{VERSION}/", copy)
        if test.is_file():
            report_files(str(copy), test, copy / REPORT, drop_seen=[], gpu_id=plan.gpu_id)
    msg.good(f"Pipeline: {output}. Wheel: {wheel}")
    return wheel


def unpack(wheel: Path, inside: str, folder: Path) -> None:
    """Unpack the files of a wheel that are below a folder in it."""
    with zipfile.ZipFile(wheel) as packed:
        for name in packed.namelist():
            if name.startswith(inside) and not name.endswith("/"):
                path = folder / name.removeprefix(inside)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(packed.read(name))


def _gather(train: Path, dev: Optional[PathLike], test: Optional[PathLike], folder: Path) -> Path:
    """Return the path of the labelled text; if dev or test are files of their own, a folder with copies of all."""
    parts = {"train": train, "dev": dev, "test": test}
    if dev is None and test is None:
        return train
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    for name, path in parts.items():
        if path is not None and not Path(path).is_file():
            raise CrossnerError(Errors.C656.format(path=path, role=name, found="no file"))
        if path is not None:
            shutil.copy2(path, folder / f"{name}{Path(path).suffix}")
    return folder


def _expect(path: PathLike, kind: Type[Kind], lang: str) -> Kind:
    """Return what a path is.

    RAISES (CrossnerError): it is something else.
    """
    found = look_at(Path(path), lang)
    if isinstance(found, kind):
        return found
    what = found.problem if isinstance(found, Unread) else KINDS[type(found)]
    raise CrossnerError(Errors.C656.format(path=path, role=KINDS[kind], found=what))

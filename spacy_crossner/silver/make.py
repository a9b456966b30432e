"""Weak labels for raw text, from name lists and teachers."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Set

from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..data.docbin import pack_docs, read_docbin
from ..data.faults import NOT_WRITABLE, Faults
from ..data.files import check_inputs, check_output, write_files
from ..data.subsets import draw_subset
from ..errors import CrossnerError, Errors
from ..fingerprints import Fingerprint, is_up_to_date
from ..fingerprints.parts import Parts
from ..text.entities import first_untyped
from ..text.excluded import read_excluded
from ..text.raw import check_files
from .choosing import rarity_of_types
from .labeller import Labeller
from .listing import Listing, listing_path, statistics_path
from .names import count_types, read_type_map, read_weak_names
from .run import SilverRun
from .settings import SilverSettings
from .sources import Sources
from .teachers import Teachers

DEFAULTS = SilverSettings()


@dataclass
class SilverReport:
    """The result of weak labelling.

    output (Path): the DocBin.
    listing (Listing): the statistics, also written beside the output.
    docs (List[Doc]): the sentences.
    """

    output: Path
    listing: Listing
    docs: List[Doc] = field(repr=False)


def make_silver(
    sources: Sources, output: Path, settings: SilverSettings = DEFAULTS, *, gpu_id: int = -1
) -> SilverReport:
    """Label raw text with names and teachers, choose sentences, and write them as a DocBin for training.

    A listing for a reader and the same statistics as JSON are written beside it (`<name>.txt`, `<name>.json`). All
    appear when they are complete. A killed run leaves its finished blocks in `.<name>.parts`; the same call goes on
    from them, and its output is that of an undisturbed run.

    sources (Sources): the inputs.
    output (Path): the DocBin.
    settings (SilverSettings): the settings.
    gpu_id (int): GPU for the teachers, -1 for the CPU.
    RAISES (CrossnerError): an input cannot be read or is invalid, or no sentence is left. Then nothing is written.
    """
    output = Path(output)
    settings.check(has_teachers=bool(sources.teachers))
    if not (sources.names or sources.gold or sources.teachers):
        raise CrossnerError(Errors.C600)
    if sources.type_map and not sources.names:
        raise CrossnerError(Errors.C610.format(setting="--map", needed="a list (--names)"))
    check_files(sources.raw)
    check_output(output, sources.files(), docbin=True)
    for path in (output, listing_path(output), statistics_path(output)):
        if path.is_dir():
            # Not only at the end of a long run.
            raise Faults(path).error(NOT_WRITABLE, None, "a folder of that name")
    check_inputs([listing_path(output), statistics_path(output)], sources.files())
    gold = _read_gold(sources, settings)
    names = read_weak_names(sources.names, sources.type_map, gold, ignore_case=settings.ignore_case)
    excluded_files = [*sources.exclude, *([sources.gold] if sources.gold else [])]
    excluded = read_excluded(excluded_files) if excluded_files else None
    teachers = Teachers(sources.teachers, gpu_id) if sources.teachers else None
    if teachers:
        _check_teachers(teachers, sources, settings, set(count_types(gold)))
    labeller = Labeller(names, teachers, rarity_of_types(count_types(gold)), settings)
    check = read_docbin(sources.check, labeller.vocab) if sources.check else []
    fingerprint = sources.fingerprint(settings)
    parts = Parts(output, fingerprint)
    try:
        run = SilverRun(sources, settings, labeller, excluded, parts, check)
        run.label()
        report = SilverReport(output, run.listing(output), run.docs())
        _write(report, fingerprint)
    except CrossnerError:
        parts.remove()
        raise
    parts.remove()
    return report


def is_finished(sources: Sources, output: Path, settings: SilverSettings = DEFAULTS) -> bool:
    """Return whether `make_silver` has written an output with these inputs. Print the decision.

    RAISES (CrossnerError): there is an output, but an input cannot be read.
    """
    statistics = statistics_path(output)
    return statistics.is_file() and is_up_to_date(output.parent, sources.fingerprint(settings), output.name)


def why_nothing(sources: Sources) -> str:
    """Return why there is nothing to label, for a project in which text and lists are optional; "" if there is.

    RAISES (CrossnerError): a list cannot be read.
    """
    if not sources.raw:
        return "there is no raw text"
    if sources.teachers:
        return ""
    if not sources.names:
        return "there is no list of names"
    untyped = first_untyped(sources.names)
    return f"the names of {untyped} have no types" if untyped else ""


def write_nothing(output: Path) -> None:
    """Write an output without sentences, for a stage that goes on without weak labels."""
    check_output(output, [], docbin=True)
    Parts(output, {}).remove()
    listing = b"No sentences.\n"
    write_files({output: pack_docs([]), listing_path(output): listing, statistics_path(output): b"{}\n"})


def _read_gold(sources: Sources, settings: SilverSettings) -> List[Doc]:
    gold = read_docbin(sources.gold, Vocab()) if sources.gold else []
    if not settings.limit:
        return gold
    return draw_subset(gold, [{ent.label_ for ent in doc.ents} for doc in gold], settings.limit, settings.seed)


def _write(report: SilverReport, fingerprint: Fingerprint) -> None:
    """Write the output and its listing. The statistics are the record of both; see `is_up_to_date`."""
    output = report.output
    files: Dict[Path, bytes] = {
        output: pack_docs(report.docs),
        listing_path(output): report.listing.to_text().encode("utf-8"),
    }
    made = {path.name: hashlib.sha256(content).hexdigest() for path, content in files.items()}
    statistics = report.listing.to_json(fingerprint=fingerprint, made=made)
    write_files({**files, statistics_path(output): statistics.encode("utf-8")})


def _check_teachers(teachers: Teachers, sources: Sources, settings: SilverSettings, of_gold: Set[str]) -> None:
    """Raise an error if the map leads to a label of neither teachers nor gold, or the teachers have another language.

    Teachers of another domain (the pipeline of the source stage) do not have the labels of the gold sentences.
    """
    if settings.lang not in (None, teachers.lang):
        expected = f"{teachers.lang}, the language of the teachers"
        raise CrossnerError(Errors.C609.format(name="lang", value=settings.lang, expected=expected))
    labels = read_type_map(sources.type_map).values() if sources.type_map else []
    unknown = sorted(set(labels) - {"", *teachers.labels, *of_gold})
    if unknown:
        known = ", ".join(teachers.labels)
        raise CrossnerError(
            Errors.C604.format(path=sources.type_map, label=unknown[0], teacher=teachers.models[0], labels=known)
        )

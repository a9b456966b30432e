"""Split a set into named parts at random, by a seed."""

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Mapping, Optional

from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..annotations.domains import without_annotation
from .docbin import pack_docs, read_docbin
from .faults import SIZES, Faults
from .files import check_inputs, write_files
from .manifest import MANIFEST, SPLIT, find_stale, make_manifest
from .normal_form import sentence_key

# Both spellings: otherwise a part with the other one would silently keep its annotation.
UNLABELLED = ("unlabelled", "unlabeled")


@dataclass
class Split:
    """The result of a split.

    parts (Dict[str, Path]): the file of each part.
    sizes (Dict[str, int]): the number of docs of each part.
    unused (int): number of docs in no part.
    shared (int): number of texts, by normal form, in more than one part: the set has them more than once.
    removed (List[Path]): parts of an earlier split that were deleted, because they may overlap with the new parts.
    """

    parts: Dict[str, Path]
    sizes: Dict[str, int]
    unused: int
    shared: int
    removed: List[Path] = field(default_factory=list)


def split(
    source: Path, output: Path, sizes: Mapping[str, Optional[int]], *, seed: int = 0, force: bool = False
) -> Split:
    """Split a DocBin into parts drawn at random, in the order of the names.

    The docs of a part keep their order in the set. The part named `unlabelled` keeps only text, tokens and domain mark.
    All parts are written or none. Their checksums are written, too, so that `split` and `convert` recognize their own
    files, see `manifest`.

    source (Path): the DocBin.
    output (Path): the folder for `<name>.spacy`.
    sizes (Mapping[str, Optional[int]]): the number of docs by name. None, allowed only for the last part, for all
        remaining docs.
    seed (int): the same seed gives the same parts.
    force (bool): replace and delete parts that `split` did not write, or that have changed since.
    RETURNS (Split): the parts.
    RAISES (DataError): the set cannot be read or is too small; a part cannot be written; the set is itself a part to be
        replaced or deleted; or, without force, a part was not written by `split` or has changed since.
    """
    source, output = Path(source), Path(output)
    docs = read_docbin(source, Vocab())
    counts = _fit_sizes(sizes, len(docs), Faults(source))
    order = list(range(len(docs)))
    random.Random(seed).shuffle(order)
    parts: Dict[str, List[Doc]] = {}
    for name, count in counts.items():
        parts[name] = [docs[i] for i in sorted(order[:count])]
        order = order[count:]
    paths = {name: output / f"{name}.spacy" for name in parts}
    unlabelled = {
        name: [without_annotation(doc, doc.vocab) for doc in part] for name, part in parts.items() if name in UNLABELLED
    }
    # Also with force, the set itself is never replaced.
    check_inputs(paths.values(), [source])
    contents = {paths[name]: pack_docs(part) for name, part in {**parts, **unlabelled}.items()}
    stale = find_stale(output, contents, [], force=force, writer=SPLIT)
    check_inputs(stale, [source])
    write_files({**contents, output / MANIFEST: make_manifest(output, contents, stale, SPLIT)})
    for path in stale:
        path.unlink()
    return Split(paths, counts, len(order), _count_shared(parts), stale)


def _fit_sizes(sizes: Mapping[str, Optional[int]], total: int, faults: Faults) -> Dict[str, int]:
    """Return the size of every part, including the rest."""
    named = sum(size or 0 for size in sizes.values())
    given = " + ".join(f"{name} {'rest' if size is None else size}" for name, size in sizes.items())
    if any(size is not None and size < 1 for size in sizes.values()) or None in list(sizes.values())[:-1]:
        raise faults.error(SIZES, None, given, form="sizes of 1 and more, and 'rest' for the last part only")
    least = named + (None in sizes.values())
    if least > total:
        raise faults.error(SIZES, None, f"{total} docs", form=f"at least {least} for {given}")
    return {name: total - named if size is None else size for name, size in sizes.items()}


def _count_shared(parts: Mapping[str, List[Doc]]) -> int:
    """Return the number of texts in more than one part."""
    texts = [{sentence_key(doc.text) for doc in part} for part in parts.values()]
    return sum(map(len, texts)) - len(set().union(*texts))

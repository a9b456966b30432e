"""A seeded split of one set into named parts."""

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

# Either spelling: with the wrong one the part would keep its annotation unseen.
UNLABELLED = ("unlabelled", "unlabeled")


@dataclass
class Split:
    """What a set was split into.

    parts (Dict[str, Path]): the file of each part.
    sizes (Dict[str, int]): its number of docs.
    unused (int): docs in no part.
    shared (int): texts that stand in more than one part, by their normal forms, as the set has them more than once.
    removed (List[Path]): parts of an earlier split in the folder, taken away: they may overlap those of this one.
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

    The docs of a part keep the order they have in the set. The part named `unlabelled` keeps text, tokens and domain
    mark only. All parts are written or none. With them go their sums, by which `split` and `convert` know whose they
    are, see `manifest`.

    source (Path): the DocBin.
    output (Path): the folder for `<name>.spacy`.
    sizes (Mapping[str, Optional[int]]): the number of docs by name; None, for the last one only, takes what is left.
    seed (int): the same seed gives the same parts.
    force (bool): write over, and take away, parts that `split` did not write, or that changed since.
    RETURNS (Split): the parts.
    RAISES (DataError): the set cannot be read or is too small, a part cannot be written, the set is itself a part to be
        written or taken away, or there are such parts and no force.
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
    # Before force: the set itself is never a part to replace.
    check_inputs(paths.values(), [source])
    contents = {paths[name]: pack_docs(part) for name, part in {**parts, **unlabelled}.items()}
    stale = find_stale(output, contents, [], force=force, writer=SPLIT)
    check_inputs(stale, [source])
    write_files({**contents, output / MANIFEST: make_manifest(output, contents, stale, SPLIT)})
    for path in stale:
        path.unlink()
    return Split(paths, counts, len(order), _count_shared(parts), stale)


def _fit_sizes(sizes: Mapping[str, Optional[int]], total: int, faults: Faults) -> Dict[str, int]:
    """Return the size of every part, that of the rest included."""
    named = sum(size or 0 for size in sizes.values())
    given = " + ".join(f"{name} {'rest' if size is None else size}" for name, size in sizes.items())
    if any(size is not None and size < 1 for size in sizes.values()) or None in list(sizes.values())[:-1]:
        raise faults.error(SIZES, None, given, form="sizes of 1 and more, and 'rest' for the last part only")
    least = named + (None in sizes.values())
    if least > total:
        raise faults.error(SIZES, None, f"{total} docs", form=f"at least {least} for {given}")
    return {name: total - named if size is None else size for name, size in sizes.items()}


def _count_shared(parts: Mapping[str, List[Doc]]) -> int:
    """Return the number of texts that stand in more than one part."""
    texts = [{sentence_key(doc.text) for doc in part} for part in parts.values()]
    return sum(map(len, texts)) - len(set().union(*texts))

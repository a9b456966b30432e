"""Find the text files of a corpus, and the DocBin to write for each."""

from pathlib import Path
from typing import Dict, Optional

from .brat import find_brat_split, is_brat
from .drawing import REST
from .faults import NO_SPLITS, OUTPUT_NAME, UNREADABLE, Faults

SPLITS = ("train", "dev", "test")

SUFFIXES = (".txt", ".jsonl", ".json", ".csv", ".tsv", ".conll", ".conllu", ".bio", ".iob")

# Number of file names in a message.
MOST_LISTED = 10


def find_outputs(source: Path, output: Path, domain: str, *, is_drawn: bool) -> Dict[Path, Path]:
    """Return the DocBin to write for each text file.

    source (Path): a file, or a folder with splits or with one file that has the name of the domain.
    output (Path): the `.spacy` file, or the folder.
    domain (str): the domain.
    is_drawn (bool): whether splits are drawn: a single file then becomes train in a folder.
    RETURNS (Dict[Path, Path]): DocBin by text file.
    RAISES (DataError): a folder holds no split or one of them twice, or the output does not fit the source.
    """
    if not source.exists():
        raise Faults(source).error(UNREADABLE, None, "no such file or folder")
    splits = _find_splits(source, domain) if source.is_dir() else {}
    # A folder of brat's files without splits is read as one file.
    is_single = not splits and (source.is_file() or is_brat(source))
    if not splits and not is_single:
        names = sorted(path.name + "/" * path.is_dir() for path in source.iterdir())
        more = len(names) - MOST_LISTED
        listed = ", ".join(names[:MOST_LISTED]) + f" and {more:,} more" * (more > 0)
        form = f"a folder with train, dev or test as {', '.join(SUFFIXES)} or a folder of .ann files"
        form += f", one with {domain}.txt, or a file"
        raise Faults(source).error(NO_SPLITS, None, f"none of them, but {listed}" if names else "nothing", form=form)
    to_folder = is_drawn or not is_single
    if to_folder and (output.suffix == ".spacy" or output.is_file()):
        what = f"this name for the {'splits of' if is_single else 'folder'} {source}"
        raise Faults(output).error(OUTPUT_NAME, None, what, form="a folder")
    if not to_folder and (output.suffix != ".spacy" or output.is_dir()):
        what = "one file" if source.is_file() else f"the folder {source} of .txt and .ann files without splits"
        form = "a file name ending in .spacy (or --dev and --test, for a folder with splits of it)"
        raise Faults(output).error(OUTPUT_NAME, None, f"this name for {what}", form=form)
    if is_single:
        return {source: output / f"{REST}.spacy" if to_folder else output}
    return {path: output / f"{split}.spacy" for split, path in splits.items()}


def _find_splits(folder: Path, domain: str) -> Dict[str, Path]:
    """Return the file of each split in a folder, or its folder of brat's files; a file named as the domain is train.

    RAISES (DataError): there are two files for a split.
    """
    splits = {split: path for split in SPLITS if (path := _find_split(folder, split))}
    if not splits and (path := _find_split(folder, domain)):
        splits[REST] = path
    return splits


def _find_split(folder: Path, name: str) -> Optional[Path]:
    """Return the file of a split, or its folder of brat's files; None if there is none."""
    candidates = [path for suffix in SUFFIXES if (path := folder / f"{name}{suffix}").is_file()]
    candidates += filter(None, [find_brat_split(folder, name)])
    if len(candidates) > 1:
        names = " and ".join(path.name for path in candidates)
        raise Faults(folder).error(NO_SPLITS, None, names, form=f"one file for {name}")
    return candidates[0] if candidates else None

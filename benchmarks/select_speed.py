"""Compare the speed and memory of selecting text for domain-adaptive pre-training with spaCy's PhraseMatcher.

    python benchmarks/select_speed.py [--megabytes 200] [--names 1000000] [--part 2] [--output OUT.json]
    python benchmarks/select_speed.py RAW... --entities LIST

Without files, a fixed text and entity list are generated: invented words with natural frequencies (Zipf's law), names
of one to four words, a name in most sentences, and some duplicate sentences. Each side runs in its own process on one
core, to measure its peak memory. Our side is the complete `spacy crossner select` of the integrated level to a file.
The time to read the list and build the matcher is also given separately; the speed "including its list" counts it. The
PhraseMatcher finds the same names in the first part of the same text, sentence by sentence: once including its
tokenizer, and once on existing docs.
"""

import itertools
import json
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any, Callable, Dict, Iterator, List, Optional

import numpy as np
import spacy
import typer
from spacy.matcher import PhraseMatcher
from spacy.tokenizer import Tokenizer
from wasabi import table

from spacy_crossner.text.entities import read_entities
from spacy_crossner.text.matching import EntityMatcher
from spacy_crossner.text.raw import read_blocks
from spacy_crossner.text.select import select_corpus
from spacy_crossner.text.sentences import split_line
from spacy_crossner.text.sizes import levels_table

N_WORDS = 200_000
FREQUENT = 2000
TYPES = ("field", "task", "person", "place")
SPECIAL = ("field",)
SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "an", "er", "is", "on", "ul")]


def make_words() -> List[str]:
    """Return invented words, short words first. Some have non-ASCII letters."""
    words: Dict[str, None] = {}
    rng = np.random.default_rng(0)
    while len(words) < N_WORDS:
        size = min(1 + int(rng.integers(0, 2)) + len(words) // 5000, 2 + int(rng.integers(0, 3)))
        word = "".join(SYLLABLES[i] for i in rng.integers(0, len(SYLLABLES), size))
        words[word.replace("ul", "ül") if rng.random() < 0.01 else word] = None
    return list(words)


def write_names(path: Path, words: List[str], n_names: int) -> List[str]:
    """Write an entity list and return its names. Frequent words are not used as one-word names."""
    rng = np.random.default_rng(1)
    names: Dict[str, None] = {}
    while len(names) < n_names:
        sizes = rng.choice([1, 2, 3, 4], 100_000, p=[0.1, 0.45, 0.3, 0.15])
        drawn = iter(rng.integers(FREQUENT, N_WORDS, int(sizes.sum())).tolist())
        for size in sizes.tolist():
            names[" ".join([words[next(drawn)].capitalize() for _ in range(size)])] = None
    listed = list(itertools.islice(names, n_names))
    kinds = rng.choice(len(TYPES), n_names, p=[0.02, 0.28, 0.35, 0.35])
    with path.open("w", encoding="utf8") as file:
        file.writelines(f"{name}\t{TYPES[kind]}\n" for name, kind in zip(listed, kinds.tolist(), strict=True))
    return listed


def write_text(path: Path, words: List[str], names: List[str], megabytes: int) -> None:
    """Write paragraphs of one to eight sentences of 5 to 40 words."""
    rng = np.random.default_rng(2)
    # Zipf's law: the frequency of a word is about proportional to 1 / rank.
    ranks = np.cumsum(1 / np.arange(2, N_WORDS + 2))
    written, earlier = 0, ["Nothing."]
    with path.open("w", encoding="utf8") as file:
        while written < megabytes * 10**6:
            sizes = rng.integers(5, 41, 10_000)
            drawn = np.searchsorted(ranks, rng.random(int(sizes.sum())) * ranks[-1]).tolist()
            chosen = rng.integers(0, len(names), len(sizes)).tolist()
            starts = [0, *np.cumsum(sizes).tolist()]
            sentences = []
            for name, start, end in zip(chosen, starts, starts[1:], strict=False):
                middle = (start + end) // 2
                first, second = (
                    " ".join([words[i] for i in part]) for part in (drawn[start:middle], drawn[middle:end])
                )
                sentences.append(f"{first.capitalize()} {names[name] if name % 4 else 'or'} {second}.")
            sentences[::50] = earlier[:1] * len(sentences[::50])
            earlier = sentences
            breaks = [0, *np.cumsum(rng.integers(1, 9, 2000)).tolist()]
            lines = [" ".join(sentences[start:end]) for start, end in itertools.pairwise(breaks)]
            text = "\n".join(line for line in lines if line) + "\n"
            file.write(text)
            written += len(text.encode())


def seconds_of(call: Callable[[], Any]) -> Dict[str, Any]:
    """Return the result of a call, its wall-clock seconds and its CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = call()
    return {"result": result, "wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


def peak_megabytes() -> float:
    """Return the peak memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def run_select(raw: List[Path], entities: Path, output: Path, types: List[str]) -> Dict[str, Any]:
    """Time the selection and, separately, the building of its matcher."""
    start = peak_megabytes()
    matcher = seconds_of(lambda: EntityMatcher(read_entities(entities), types) and None)
    both = seconds_of(lambda: select_corpus(raw, output, entities=entities, types=types))
    report = both.pop("result")
    return {
        "build": matcher["cpu"],
        "cpu": both["cpu"],
        "wall": both["wall"],
        "peak_megabytes": peak_megabytes(),
        "megabytes_at_start": start,
        "table": levels_table(report),
        "mentions": report.mentions,
    }


def read_part(raw: List[Path], n_bytes: int) -> List[str]:
    """Return the sentences in the first bytes of a text."""
    sentences: List[str] = []
    for block in read_blocks(raw, block=1 << 17):
        sentences += [sentence for line in block.decode("utf8").split("\n") for sentence in split_line(line)]
        n_bytes -= len(block)
        if n_bytes <= 0:
            break
    return sentences


def batches(items: List[str], size: int) -> Iterator[List[str]]:
    """Cut a list into parts."""
    return (items[start : start + size] for start in range(0, len(items), size))


def run_phrase_matcher(raw: List[Path], entities: Path, n_bytes: int) -> Dict[str, Any]:
    """Time spaCy's PhraseMatcher on a part of the text."""
    nlp = spacy.blank("en")
    nlp.max_length = 10**9
    tokenizer: Tokenizer = nlp.tokenizer
    matcher = PhraseMatcher(nlp.vocab)
    names = read_entities(entities).names

    def build() -> None:
        for batch in batches(names, 10_000):
            matcher.add("name", list(tokenizer.pipe(batch)))

    built = seconds_of(build)
    sentences = read_part(raw, n_bytes)
    matched = seconds_of(lambda: sum(len(matcher(doc)) for doc in tokenizer.pipe(sentences)))
    docs = list(tokenizer.pipe(sentences))
    alone = seconds_of(lambda: sum(len(matcher(doc)) for doc in docs))
    return {
        "build": built["cpu"],
        "cpu": matched["cpu"],
        "cpu_on_docs": alone["cpu"],
        "bytes": sum(len(sentence.encode()) + 1 for sentence in sentences),
        "peak_megabytes": peak_megabytes(),
        "matches": matched["result"],
    }


def in_own_process(function: Callable[..., Dict[str, Any]], *arguments: Any) -> Dict[str, Any]:
    """Call a function in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def content_bytes(raw: List[Path]) -> int:
    """Return the size of texts, uncompressed and with normalized white space."""
    return sum(len(block) + 1 for block in read_blocks(raw))


def main(
    raw: Annotated[Optional[List[Path]], typer.Argument(help="Text; generated if not given")] = None,
    entities: Annotated[Optional[Path], typer.Option(help="Entity list for the text")] = None,
    types: Annotated[str, typer.Option(help="Domain-specific types: T,... Default: all types of the given list")] = "",
    megabytes: Annotated[int, typer.Option(help="Text to generate")] = 200,
    names: Annotated[int, typer.Option(help="Names to generate")] = 1_000_000,
    part: Annotated[float, typer.Option(help="Megabytes of text for the PhraseMatcher")] = 2.0,
    folder: Annotated[Optional[Path], typer.Option(help="Folder for temporary generated files")] = None,
    output: Annotated[Optional[Path], typer.Option(help="JSON file")] = None,
) -> None:
    """Print megabytes per second, peak memory and the ratio to the PhraseMatcher."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        special = [kind for kind in types.split(",") if kind]
        if not raw or entities is None:
            raw, entities, special = [Path(scratch) / "raw.txt"], Path(scratch) / "names.tsv", list(SPECIAL)
            words = make_words()
            write_text(raw[0], words, write_names(entities, words, names), megabytes)
            del words
        size = content_bytes(raw)
        ours = in_own_process(run_select, raw, entities, Path(scratch) / "selected.txt", special)
        theirs = in_own_process(run_phrase_matcher, raw, entities, int(part * 1e6))
    speed = size / 1e6 / (ours["cpu"] - ours["build"])
    in_all = size / 1e6 / ours["cpu"]
    matcher_speed = theirs["bytes"] / 1e6 / theirs["cpu"]
    matcher_on_docs = theirs["bytes"] / 1e6 / theirs["cpu_on_docs"]
    print(ours.pop("table"))
    print(f"{size / 1e6:,.1f} MB of text, {ours['mentions']:,} mentions; times on one core")
    rows = [
        ("select", f"{speed:.1f}", f"{ours['build']:.1f}", f"{ours['peak_megabytes']:,.0f}"),
        ("select, including its list", f"{in_all:.1f}", "", ""),
        (
            "tokenizer and PhraseMatcher",
            f"{matcher_speed:.2f}",
            f"{theirs['build']:.1f}",
            f"{theirs['peak_megabytes']:,.0f}",
        ),
        ("PhraseMatcher on docs", f"{matcher_on_docs:.2f}", "", ""),
    ]
    print(table(rows, header=("side", "MB/s", "list, s", "peak MB"), divider=True, aligns=("l", "r", "r", "r")))
    print(f"speed ratio to the PhraseMatcher: {speed / matcher_speed:.1f}, on docs: {speed / matcher_on_docs:.1f}")
    if output:
        figures = {"bytes": size, "select": ours, "phrase_matcher": theirs, "times_as_fast": speed / matcher_speed}
        output.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf8")


if __name__ == "__main__":
    typer.run(main)

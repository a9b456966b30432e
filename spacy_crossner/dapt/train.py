"""Domain-adaptive pre-training: adapt an encoder to raw text of a domain (CrossNER, Liu et al., 2021)."""

import os
import shutil
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple, Union

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState

from ..encoders.folders import find_encoder
from ..encoders.opening import check_vocabulary
from ..errors import CrossnerError
from ..fingerprints import RECORD, Fingerprint, encoder_title, write_record
from ..storage.locks import only_writer
from ..training.checkpoint import new_folder
from ..training.divergence import Diverged, forget_divergence, note_divergence
from .adaptation import Adaptation
from .blocks import BlockOrder
from .card import make_card
from .checkpoint import DaptCheckpoints, dapt_fingerprint
from .corpus import open_corpus
from .log import LossLog
from .loop import run_steps, start_or_resume
from .masking import MaskCollator, Masking
from .mlm_head import MaskedLanguageModel, count_positions, load_masked_model, load_tokenizer, save_adapted
from .output import CHECKPOINT, LOG, WORK, check_output, is_finished, named_write_errors, place_files
from .settings import DaptSettings

CARD = "README.md"
# The same seed in all runs, so that all runs are evaluated with the same masks.
HELD_OUT_SEED = 0
DEFAULT_MASKING, DEFAULT_SETTINGS = Masking(), DaptSettings()

C426 = (
    "[C426] Blocks of {size} tokens do not fit the encoder '{name}': its maximum is {most} tokens (0: no maximum), "
    "including {special} special tokens."
)
C428 = (
    "[C428] `accelerate` is set up for {kind}. This command needs one process, or many processes that each hold "
    "the whole encoder. Choose one of both with `accelerate config`."
)
C429 = "[C429] There is no GPU {gpu_id}: PyTorch finds {count} GPU(s). Use --gpu-id -1 for the CPU."
C430 = (
    "[C430] A step of {size} blocks cannot be divided among {processes} process(es) with {parts} micro-batch(es) each."
)
C431 = (
    "[C431] Training has diverged: at step {step} {what} is {value}. The same command would diverge again: lower "
    "--rate ({rate}) or --head-rate ({head_rate}). No encoder is written, and the last checkpoint is kept."
)
C433 = "[C433] {output} is the folder of the encoder to adapt, and cannot be the output too. Give another --output."


@dataclass(frozen=True)
class DaptReport:
    """The result of an adaptation.

    output (Path): the folder of the adapted encoder.
    counts (Dict[str, int]): sizes of the corpus by name.
    held_out (List[Tuple[int, float]]): number of steps and mean held-out loss of each evaluation.
    tokens (int): number of tokens seen over all processes, special tokens included.
    resumed_from (int): the step of the checkpoint that this call resumed from; 0 without a checkpoint.
    seconds (float): time of the steps of this call.
    tokens_per_second (float): speed of the steps of this call, over all processes.
    is_main (bool): whether this is the main process, which prints the report.
    is_kept (bool): whether a finished encoder with the same inputs was kept. If so, the other fields are empty.
    """

    output: Path
    counts: Dict[str, int]
    held_out: List[Tuple[int, float]]
    tokens: int
    resumed_from: int
    seconds: float
    tokens_per_second: float
    is_main: bool
    is_kept: bool = False


def adapt_encoder(
    encoder: str,
    text: Union[Path, Sequence[Path]],
    output: Path,
    *,
    masking: Masking = DEFAULT_MASKING,
    settings: DaptSettings = DEFAULT_SETTINGS,
    held_out_text: Optional[Path] = None,
    gpu_id: Optional[int] = None,
    resume: bool = True,
) -> DaptReport:
    """Continue the masked language modelling of an encoder on raw text, and save it in the format of `AutoModel`.

    During the run, the folder also contains the last checkpoints. After a kill, the same call resumes from them and
    ends with the same weights. With `accelerate launch`, every process makes this call.

    encoder (str): see `find_encoder`.
    text (Union[Path, Sequence[Path]]): text (plain or .gz) with one sentence or paragraph per line.
    output (Path): the output folder. An existing encoder is only replaced when the new one is finished.
    masking (Masking): the masking settings.
    settings (DaptSettings): the training settings.
    held_out_text (Optional[Path]): text to evaluate on, instead of held-out lines of the training text.
    gpu_id (Optional[int]): GPU, -1 for the CPU. If not given, `accelerate` selects the device.
    resume (bool): resume from a checkpoint with the same encoder, text, settings and versions, and keep a finished
        encoder with the same inputs.
    RETURNS (DaptReport): the result.
    RAISES (CrossnerError): an input is missing or invalid, the folder cannot be written or another process writes
        to it, or training has diverged.
    """
    texts = [text] if isinstance(text, Path) else list(text)
    if Path(find_encoder(encoder)).resolve() == output.resolve():
        raise CrossnerError(C433.format(output=output))
    check_output(output)
    accelerator = start_accelerator(gpu_id)
    processes = accelerator.num_processes
    if settings.batch_size < processes * settings.accumulate:
        raise CrossnerError(C430.format(size=settings.batch_size, processes=processes, parts=settings.accumulate))
    with only_writer(output) if accelerator.is_main_process else nullcontext(), named_write_errors(output):

        def compute_fingerprint() -> Fingerprint:
            return dapt_fingerprint(
                encoder,
                texts,
                held_out_text,
                masking=masking,
                settings=settings,
                device=accelerator.device,
                processes=processes,
            )

        fingerprint = compute_fingerprint()
        if resume and is_finished(accelerator, output, fingerprint):
            return DaptReport(output, {}, [], 0, 0, 0.0, 0.0, accelerator.is_main_process, is_kept=True)
        # Output layers that cannot start as the identity start with random weights.
        torch.manual_seed(settings.seed)
        tokenizer = load_tokenizer(encoder)
        model, has_new_head = load_masked_model(encoder)
        check_vocabulary(encoder, tokenizer, model)
        # The commit of an encoder from the hub is only known after it is loaded.
        fingerprint = {**fingerprint, "the encoder": fingerprint["the encoder"] or compute_fingerprint()["the encoder"]}
        most, special = count_positions(model), tokenizer.num_special_tokens_to_add()
        if settings.block_size <= special or 0 < most < settings.block_size:
            raise CrossnerError(C426.format(size=settings.block_size, name=encoder, most=most, special=special))
        corpus = open_corpus(
            accelerator,
            texts,
            held_out_text,
            tokenizer,
            output / WORK,
            size=settings.block_size,
            share=settings.held_out,
        )
        settings = settings.for_blocks(len(corpus.train))
        evaluation_collator = MaskCollator.from_tokenizer(
            tokenizer, replace(masking, level="token"), seed=HELD_OUT_SEED
        )
        adaptation = Adaptation(
            accelerator,
            MaskedLanguageModel(model, settings.dtype(accelerator.device)),
            blocks=corpus.train,
            order=BlockOrder(len(corpus.train), settings.seed),
            collator=MaskCollator.from_tokenizer(tokenizer, masking, seed=settings.seed),
            held_out=evaluation_collator(*corpus.take_held_out(), 0),
            settings=settings,
            head_steps=settings.head_steps if has_new_head else 0,
            train_embeddings=not has_new_head if settings.train_embeddings is None else settings.train_embeddings,
        )
        checkpoints = DaptCheckpoints(output / CHECKPOINT, fingerprint)
        log = LossLog(output / LOG, accelerator.is_main_process)
        if accelerator.is_main_process:
            forget_divergence(output)
        try:
            resumed_from = start_or_resume(adaptation, checkpoints, log, resume=resume)
            seconds = run_steps(adaptation, checkpoints, log)
            adaptation.check_weights()
        except Diverged as error:
            problem = C431.format(
                step=error.step,
                what=error.what,
                value=error.value,
                rate=settings.rate,
                head_rate=settings.head_rate,
            )
            if accelerator.is_main_process:
                note_divergence(output, fingerprint, problem)
            raise CrossnerError(problem) from error
        if accelerator.is_main_process:
            card = make_card(
                encoder, texts=texts, counts=corpus.counts, masking=masking, settings=settings, held_out=log.held_out
            )
            with new_folder(output / WORK / "encoder") as folder:
                save_adapted(model, tokenizer, encoder, folder, weight_interpolation=settings.weight_interpolation)
                (folder / CARD).write_text(card, encoding="utf8")
            made = [path.name for path in (output / WORK / "encoder").iterdir()]
            (output / RECORD).unlink(missing_ok=True)
            place_files(output / WORK / "encoder", output)
            write_record(output, fingerprint, made, base=encoder_title(encoder), corpus=corpus.counts)
            checkpoints.remove()
        accelerator.wait_for_everyone()
        if accelerator.is_local_main_process:
            shutil.rmtree(output / WORK, ignore_errors=True)
    tokens_of_step = settings.batch_size * settings.block_size
    done = adaptation.step - resumed_from
    return DaptReport(
        output=output,
        counts=corpus.counts,
        held_out=log.held_out,
        tokens=adaptation.step * tokens_of_step,
        resumed_from=resumed_from,
        seconds=seconds,
        tokens_per_second=done * tokens_of_step / max(seconds, 1e-9),
        is_main=accelerator.is_main_process,
    )


def start_accelerator(gpu_id: Optional[int]) -> Accelerator:
    """Select the device and join the other processes, if there are any.

    RAISES (CrossnerError): there is no such GPU, or `accelerate` is set up to split the encoder.
    """
    is_alone = int(os.environ.get("WORLD_SIZE", 1)) == 1
    if gpu_id is not None and gpu_id >= 0:
        if gpu_id >= torch.cuda.device_count():
            raise CrossnerError(C429.format(gpu_id=gpu_id, count=torch.cuda.device_count()))
        if is_alone:
            torch.cuda.set_device(gpu_id)
    if is_alone:
        # `accelerate` keeps the device of its first call in a process: reset it.
        AcceleratorState._reset_state(reset_partial_state=True)
    accelerator = Accelerator(cpu=gpu_id == -1, mixed_precision="no")
    kind = accelerator.distributed_type.value
    if kind != "NO" and not kind.startswith("MULTI_"):
        raise CrossnerError(C428.format(kind=kind))
    return accelerator

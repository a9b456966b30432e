"""Training as with spaCy's `train`, but resumable, and with the length given in epochs."""

import math
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Dict, Iterable, Optional

import spacy
from spacy import util
from spacy.cli._util import setup_gpu
from spacy.training import Example
from spacy.training.initialize import init_nlp
from spacy.training.loop import (
    DIR_MODEL_BEST,
    DIR_MODEL_LAST,
    clean_output_dir,
    create_before_to_disk_callback,
    update_meta,
)
from spacy.util import registry
from thinc.api import Config
from wasabi import msg

from ..encoders.listening import require_encoders
from ..errors import CrossnerError, Errors
from ..fingerprints import RECORD, Fingerprint, is_up_to_date, take_fingerprint, write_record
from ..storage.locks import only_writer
from ..storage.outputs import check_pipeline
from .checkpoint import BEST, Checkpoints, check_checkpoints, link_or_copy, new_folder
from .configs import check_config, complete_config, named_errors, named_sources
from .curves import save_curve
from .dev_set import why_all_scores_are_0
from .divergence import Diverged, forget_divergence, note_divergence, refuse_divergence
from .first_evaluation import LEFT_OUT
from .log import forget_log, make_row, score_names, write_log
from .parameters import first_not_finite
from .presets import AUTO, apply_preset, check_preset
from .run import TrainingRun
from .state import read_state, why_not_saved

CHECKPOINT = "checkpoint"


def train(
    config_path: Path,
    output: Path,
    *,
    epochs: Optional[float] = None,
    min_steps: int = 0,
    evaluations: int = 4,
    preset: str = AUTO,
    use_gpu: int = -1,
    overrides: Optional[Dict[str, Any]] = None,
    resume: bool = True,
) -> None:
    """Train a pipeline and save `model-best` (with the best dev score) and `model-last` in a folder.

    The folder also contains the log, `log.jsonl`, and, if matplotlib is installed, the curve, `curve.png`. During
    training it contains the last checkpoint. After a kill, the same call resumes from the checkpoint and ends with the
    same weights.

    config_path (Path): the config file.
    output (Path): the output folder.
    epochs (Optional[float]): passes over the training corpus; sets `training.max_steps` and the learning rate schedule.
        If not given, the values of the config are used.
    min_steps (int): with `epochs`, the minimum number of steps, for small corpora.
    evaluations (int): with `epochs`, the number of evaluations on dev after the first step. The last one is at the end.
    preset (str): "small", "base", or "auto" to choose by the width of the encoder; see `PRESETS`.
    use_gpu (int): GPU, -1 for the CPU.
    overrides (Optional[Dict]): config settings to override, by dotted name.
    resume (bool): resume from a checkpoint with the same config, data and versions, and keep a finished result with the
        same inputs.
    RAISES (CrossnerError): the config or a file that it names is missing, the length or the preset is invalid, another
        process writes to the folder, a folder to replace was not written by `train`, or training has diverged.
    """
    overrides = dict(overrides or {})
    if evaluations < 1 or min_steps < 0 or (epochs is not None and not 0 < epochs < math.inf):
        raise CrossnerError(Errors.C013.format(epochs=epochs, evaluations=evaluations))
    check_preset(preset)
    if not config_path.is_file():
        raise CrossnerError(Errors.C009.format(path=config_path))
    length = {} if epochs is None else {"epochs": epochs, "min_steps": min_steps, "evaluations": evaluations}
    with only_writer(output), named_errors(config_path, output):
        config = complete_config(config_path, overrides)
        check_config(config_path, config)
        fingerprint = take_fingerprint(config, output, use_gpu, preset=preset, **length)
        if resume and is_up_to_date(output, fingerprint):
            return
        if resume:
            refuse_divergence(output, fingerprint)
        for name in (DIR_MODEL_BEST, DIR_MODEL_LAST):
            check_pipeline(output / name)
        check_checkpoints(output / CHECKPOINT)
        # Check the dev set first: spaCy would report a missing file only after the initialization.
        next(iter(resolve_corpus(config, "dev_corpus")), None)
        if epochs is not None:
            frequency = math.ceil(max(epochs * count_batches(config), min_steps) / evaluations)
            overrides["training.eval_frequency"] = frequency
            overrides["training.max_steps"] = frequency * evaluations
        run_training(
            config_path,
            output,
            fingerprint,
            preset=preset,
            evaluations=None if epochs is None else evaluations,
            use_gpu=use_gpu,
            overrides=overrides,
            resume=resume,
        )


def run_training(
    config_path: Path,
    output: Path,
    fingerprint: Fingerprint,
    *,
    preset: str,
    evaluations: Optional[int],
    use_gpu: int,
    overrides: Dict[str, Any],
    resume: bool,
) -> None:
    """Initialize a pipeline, resume from its checkpoint if it has one, and train it; see `train` and `apply_preset`."""
    setup_gpu(use_gpu)
    is_new = not output.exists()
    msg.divider("Initializing pipeline")
    with named_sources(config_path, complete_config(config_path, overrides)):
        nlp = init_nlp(util.load_config(config_path, overrides=overrides), use_gpu=use_gpu)
    require_encoders(nlp)
    # The commit of an encoder from the hub is only known after it is loaded. Other entries keep their first value.
    fingerprint = {**take_fingerprint(complete_config(config_path, overrides), output, use_gpu), **fingerprint}
    changed = apply_preset(nlp, preset, overrides, evaluations)
    if changed:
        msg.info(changed)
    # `nlp.resume_training` of the saved pipeline only reads this block, so its variables have to be interpolated.
    nlp.config["training"]["optimizer"] = nlp.config.interpolate()["training"]["optimizer"]
    msg.good("Initialized pipeline")
    # Read dev before the run seeds the random generators, since a reader may use them.
    dev = resolve_corpus(complete_config(config_path, overrides), "dev_corpus")
    problem = why_all_scores_are_0(nlp, dev, nlp.config.interpolate()["training"]["score_weights"])
    if problem:
        msg.warn(Errors.C094.format(config=config_path, problem=problem))
    msg.info(f"Saving to output directory: {output}")
    output.mkdir(parents=True, exist_ok=True)
    (output / RECORD).unlink(missing_ok=True)
    forget_divergence(output)
    forget_log(output)
    msg.divider("Training pipeline")
    run = TrainingRun(nlp, use_gpu)
    checkpoints = Checkpoints(output / CHECKPOINT, fingerprint)
    problem = why_not_saved(run)
    if problem:
        msg.warn(Errors.C022.format(problem=problem))
    saved = checkpoints.find() if resume and not problem else None
    if saved:
        read_state(run, saved)
        write_log(output, run.log)
        # Discard results after the checkpoint: these steps are repeated.
        with new_folder(output / DIR_MODEL_BEST) as folder:
            shutil.copytree(saved / BEST, folder, copy_function=link_or_copy, dirs_exist_ok=True)
        msg.info(f"Training resumes after {run.batches.drawn} steps from the checkpoint in {saved}")
    else:
        checkpoints.remove()
        clean_output_dir(output)
    try:
        take_steps(run, output, None if problem else checkpoints)
    except OSError:
        if is_new:
            with suppress(OSError):
                # This only removes an empty folder, for example after a full disk.
                output.rmdir()
        raise
    except Diverged as error:
        saved_step = run.results[-1][1] if run.results else None
        kept = "no pipeline was saved"
        if saved_step is not None:
            kept = f"{DIR_MODEL_LAST} in {output} is from step {saved_step}; {DIR_MODEL_BEST} is the best until then"
        text = Errors.C070.format(step=error.step, what=error.what, value=error.value, kept=kept)
        note_divergence(output, fingerprint, text)
        save_curve(output, {"": run.log})
        raise CrossnerError(text) from error
    save_curve(output, {"": run.log})
    checkpoints.remove()
    write_record(output, fingerprint, [DIR_MODEL_BEST, DIR_MODEL_LAST])
    msg.good("Saved pipeline to output directory", output / DIR_MODEL_LAST)


def take_steps(run: TrainingRun, output: Path, checkpoints: Optional[Checkpoints]) -> None:
    """Take the remaining steps. After each evaluation, save the pipeline and write a checkpoint.

    run (TrainingRun): the training run.
    output (Path): the folder for `model-last` and `model-best`.
    checkpoints (Optional[Checkpoints]): writes the checkpoints; None to write none.
    """
    nlp, settings, names = run.nlp, run.settings, score_names(run.nlp)
    before_to_disk = create_before_to_disk_callback(settings["before_to_disk"])

    def save(name: str) -> None:
        with new_folder(output / name) as folder, nlp.use_params(run.optimizer.averages):
            before_to_disk(nlp).to_disk(folder)

    msg.info(f"Pipeline: {nlp.pipe_names}")
    if run.frozen:
        msg.info(f"Frozen components: {run.frozen}")
    if settings["annotating_components"]:
        msg.info(f"Set annotations on update for: {settings['annotating_components']}")
    msg.info(f"Initial learn rate: {run.optimizer.learn_rate}")
    with nlp.select_pipes(disable=run.frozen):
        log_step, finalize_logger = run.logger(nlp, sys.stdout, sys.stderr)
    try:
        for info, is_best in run.steps():
            if is_best is None:
                log_step(None)
                continue
            with nlp.select_pipes(disable=run.frozen):
                update_meta(settings, nlp, info)
            save(DIR_MODEL_LAST)
            if is_best:
                with new_folder(output / DIR_MODEL_BEST) as folder:
                    shutil.copytree(output / DIR_MODEL_LAST, folder, dirs_exist_ok=True)
            info["output_path"] = str(output / DIR_MODEL_LAST)
            if LEFT_OUT in info["other_scores"]:
                # Its scores are no measurements, which other loggers do not know.
                log_step(None)
            else:
                run.log.append(make_row(info, names))
                write_log(output, run.log)
                # A logger may draw random numbers, as one that loads the pipeline does. The next steps must not change.
                states = run.generators.get()
                log_step(info)
                run.generators.set(states)
            if checkpoints:
                checkpoints.write(run, output / DIR_MODEL_BEST)
    except Diverged:
        # Do not save the diverged weights.
        finalize_logger()
        raise
    except BaseException as error:
        msg.warn(f"Aborting and saving the last pipeline. Encountered exception: {error!r}")
        finalize_logger()
        if first_not_finite(nlp, run.optimizer, run.frozen) is None:
            save(DIR_MODEL_LAST)
        raise
    finalize_logger()
    save(DIR_MODEL_LAST)


def count_batches(config: Config) -> int:
    """Return the number of batches in one pass over the training corpus of a complete config."""
    batcher = registry.resolve({"batcher": config["training"]["batcher"]})["batcher"]
    return sum(1 for _ in batcher(resolve_corpus(config, "train_corpus")))


def resolve_corpus(config: Config, name: str) -> Iterable[Example]:
    """Return the examples of one pass over the `train_corpus` or `dev_corpus` of a complete config."""
    (corpus,) = util.resolve_dot_names(config, [config["training"][name]])
    return corpus(spacy.blank(config["nlp"]["lang"]))

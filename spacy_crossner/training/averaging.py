"""One pipeline from several trainings: the mean of the weights of pipelines that differ in their seed alone.

This is a uniform model soup (Wortsman et al., 2022, Sec. 2). Its F1 is near that of an ensemble of the pipelines, at
the cost of one of them in use. The weights have to begin at the same values: the first seed initializes all pipelines,
and the others change the order of the sentences, their replaced mentions, and the batches.
"""

import shutil
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Optional, Sequence, Tuple

import srsly
import torch
from spacy.language import Language
from spacy.training.loop import DIR_MODEL_BEST, DIR_MODEL_LAST, create_evaluation_callback
from spacy.util import resolve_dot_names
from thinc.api import Config
from torch import Tensor
from wasabi import msg

from ..errors import CrossnerError, Errors
from ..fingerprints import RECORD, is_up_to_date, take_fingerprint, write_record
from ..storage.loading import load_pipeline
from ..storage.locks import only_writer
from ..storage.outputs import check_pipeline
from .checkpoint import link_or_copy, new_folder, remove_folder
from .configs import check_config, complete_config, named_errors
from .curves import save_curve
from .log import forget_log, read_log, write_log
from .parameters import parameters
from .train import train

MEMBERS = "seeds"
# What was saved, in the record.
MEAN = "the mean of their weights"
DOMAIN_READER = "spacy_crossner.DomainReader.v1"


def train_average(
    config_path: Path,
    output: Path,
    seeds: int,
    *,
    use_gpu: int = -1,
    overrides: Optional[Dict[str, Any]] = None,
    resume: bool = True,
    always_mean: bool = False,
    **settings: Any,
) -> None:
    """Train a pipeline with several seeds, and save the mean of their weights as `model-best` in a folder.

    The seeds are `system.seed` and the numbers after it. If the mean has a lower dev score than the best of the
    pipelines, `model-best` is that pipeline. During training the folder contains them, in `seeds`; a killed run goes
    on from them. The log and the curve are of all seeds.

    config_path (Path): the config file.
    output (Path): the output folder.
    seeds (int): number of trainings.
    use_gpu (int), overrides (Optional[Dict]), resume (bool): see `train`.
    always_mean (bool): save the mean whatever the dev scores are, for a dev set that is no judge.
    settings (Any): further settings of `train`.
    RAISES (CrossnerError): the number of seeds is below 1; or see `train`.
    """
    if seeds < 1:
        raise CrossnerError(Errors.C609.format(name="seeds", value=seeds, expected="1 or more"))
    overrides, members = dict(overrides or {}), output / MEMBERS
    if seeds == 1:
        train(config_path, output, use_gpu=use_gpu, overrides=overrides, resume=resume, **settings)
        return
    with only_writer(output), named_errors(config_path, output):
        config = complete_config(config_path, overrides)
        check_config(config_path, config)
        fingerprint = take_fingerprint(config, output, use_gpu, seeds=seeds, always_mean=always_mean, **settings)
        if not (resume and is_up_to_date(output, fingerprint)):
            for name in (DIR_MODEL_BEST, DIR_MODEL_LAST):
                check_pipeline(output / name)
            # Until the end, `calibrate` and `evaluate` take a pipeline of an earlier run for unfinished.
            (output / RECORD).unlink(missing_ok=True)
            paths, logs = [], {}
            for i, changes in enumerate(seed_overrides(config, overrides, seeds), start=1):
                msg.divider(f"Seed {i} of {seeds}")
                path = members / str(i)
                train(config_path, path, use_gpu=use_gpu, overrides=changes, resume=resume, **settings)
                paths.append(path / DIR_MODEL_BEST)
                logs[changes["system.seed"]] = read_log(path)
            scores = write_average(paths, output / DIR_MODEL_BEST, use_gpu, always_mean=always_mean)
            # It would be that of an earlier training with one seed.
            remove_folder(output / DIR_MODEL_LAST)
            forget_log(output)
            write_log(output, [{"seed": seed, **row} for seed, rows in logs.items() for row in rows])
            save_curve(output, {f"seed {seed}": rows for seed, rows in logs.items()}, scores["mean"])
            # The commit of an encoder from the hub is only known after it is loaded.
            fingerprint = {**take_fingerprint(config, output, use_gpu), **fingerprint}
            write_record(output, fingerprint, [DIR_MODEL_BEST], dev_scores=scores)
        remove_folder(members)


def seed_overrides(config: Config, overrides: Dict[str, Any], seeds: int) -> Iterator[Dict[str, Any]]:
    """Yield the overrides of a config for each of several seeds, so that their weights can be averaged.

    All have the initial weights of the first seed, and the same subset if the training corpus has a limit.

    config (Config): the complete config with the overrides.
    overrides (Dict[str, Any]): config settings to override, by dotted name.
    seeds (int): number of seeds.
    """
    first, corpus = config["system"]["seed"], config["corpora"].get("train", {})
    drawn_by = {}
    if corpus.get("@readers") == DOMAIN_READER and corpus.get("limit"):
        given = corpus.get("subset_seed")
        drawn_by["corpora.train.subset_seed"] = corpus.get("seed", 0) if given is None else given
    for seed in range(first, first + seeds):
        yield {"training.seed": first, **drawn_by, **overrides, "system.seed": seed}


def write_average(
    paths: Sequence[Path], output: Path, use_gpu: int = -1, *, always_mean: bool = False
) -> Dict[str, Any]:
    """Save the mean of the weights of pipelines, or the best of them if its dev score is higher.

    paths (Sequence[Path]): the pipelines, from `train`. The config of the first one has the dev set.
    output (Path): the folder of the pipeline, which is replaced.
    use_gpu (int): GPU, -1 for the CPU.
    always_mean (bool): see `train_average`.
    RETURNS (Dict[str, Any]): the dev scores of the pipelines, that of their mean, and which one was saved.
    RAISES (CrossnerError): see `average_pipelines`.
    """
    nlp = average_pipelines(paths, use_gpu)
    evaluate, weights = _evaluation(nlp)
    scores = [_kept_score(path, weights) for path in paths]
    mean_score, other_scores = evaluate()
    best = max(range(len(paths)), key=scores.__getitem__)
    is_higher = always_mean or mean_score >= scores[best]
    with new_folder(output) as folder:
        if is_higher:
            performance = nlp.meta["performance"]
            performance.update({name: value for name, value in other_scores.items() if name in performance})
            nlp.to_disk(folder)
        else:
            shutil.copytree(paths[best], folder, copy_function=link_or_copy, dirs_exist_ok=True)
    saved = MEAN if is_higher else f"number {best + 1} of them"
    listed = ", ".join(f"{100 * score:.2f}" for score in scores)
    msg.good(f"{output}: dev scores {listed}; the mean of their weights {100 * mean_score:.2f}. Saved: {saved}")
    return {"pipelines": scores, "mean": mean_score, "saved": saved}


def average_pipelines(paths: Sequence[Path], use_gpu: int = -1) -> Language:
    """Load pipelines, and return the first one with the mean of the weights of all.

    Only two pipelines are in memory at a time. Weights that are whole numbers have to be equal.

    paths (Sequence[Path]): the pipelines, at least one.
    use_gpu (int): GPU, -1 for the CPU.
    RAISES (CrossnerError): a pipeline cannot be loaded, or has other components, labels or weights than the first.
    """
    nlp = load_pipeline(paths[0], use_gpu)
    weights = _weights(nlp)
    sums = {name: tensor.double() for name, tensor in weights.items()}
    for path in paths[1:]:
        other = load_pipeline(path, use_gpu)
        problem = _difference(nlp, other)
        if problem:
            raise CrossnerError(Errors.C528.format(path=path, first=paths[0], problem=problem))
        for name, tensor in _weights(other).items():
            sums[name] += tensor
    with torch.no_grad():
        for name, tensor in weights.items():
            tensor.copy_(sums[name] / len(paths))
    return nlp


def _weights(nlp: Language) -> Dict[str, Tensor]:
    """Return the weights and buffers of a pipeline that are not whole numbers, by name."""
    found = {name: tensor for name, (_, tensor) in parameters(nlp).items()}
    return {name: tensor for name, tensor in found.items() if tensor.is_floating_point()}


def _difference(nlp: Language, other: Language) -> Optional[str]:
    """Return why the weights of two pipelines cannot be averaged; None if they can."""
    if nlp.pipe_names != other.pipe_names:
        return f"it has the components {', '.join(other.pipe_names)}"
    for name, pipe in nlp.components:
        if getattr(pipe, "labels", ()) != getattr(other.get_pipe(name), "labels", ()):
            return f"component '{name}' has other labels"
    ours, theirs = parameters(nlp), parameters(other)
    for name in sorted({*ours, *theirs}):
        if name not in ours or name not in theirs or ours[name][1].shape != theirs[name][1].shape:
            return f"the shape of its weight '{name}' is different"
        if not ours[name][1].is_floating_point() and not torch.equal(ours[name][1], theirs[name][1]):
            return f"its weight '{name}' has other whole numbers"
    return None


def _evaluation(nlp: Language) -> Tuple[Callable[[], Tuple[float, Dict[str, Any]]], Dict[str, float]]:
    """Return the function that scores a pipeline on the dev set of its config, as training does, and the weights."""
    config = nlp.config.interpolate()
    weights = {name: weight for name, weight in config["training"]["score_weights"].items() if weight}
    (dev,) = resolve_dot_names(config, [config["training"]["dev_corpus"]])
    return create_evaluation_callback(nlp, dev, weights), weights


def _kept_score(path: Path, weights: Dict[str, float]) -> float:
    """Return the dev score that training has saved with a pipeline."""
    performance = srsly.read_json(path / "meta.json")["performance"]
    return float(sum(performance.get(name, 0.0) * weight for name, weight in weights.items()))

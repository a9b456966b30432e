"""Train on all labelled sentences, with the recipe, temperature, threshold and expected F1 of cross-validation."""

import json
import shutil
import statistics
from contextlib import suppress
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Sequence

from spacy.training.loop import DIR_MODEL_BEST, DIR_MODEL_LAST
from thinc.api import Config
from wasabi import msg

from ..core.component import SequenceNER
from ..data.docbin import read_docbin
from ..data.files import write_files
from ..errors import CrossnerError, Errors
from ..evaluation.temperature import Scorer, fit_scores
from ..fingerprints import RECORD, is_up_to_date, take_fingerprint, write_record
from ..storage.loading import load_pipeline
from ..storage.locks import only_writer
from ..storage.outputs import check_pipeline, write_pipeline
from ..training.averaging import train_average
from ..training.checkpoint import remove_folder
from ..training.configs import check_config, complete_config, named_errors
from ..training.domain_labels import read_domain_labels
from ..training.train import train
from .folds import write_folds
from .settings import Recipe, Validation

STEPS, TABLE = "folds", "folds.json"


class Judgement(NamedTuple):
    """A recipe on the held-out sentences.

    recipe (Recipe): the recipe.
    fitted (Dict[str, Any]): the result of `fit_scores` on all held-out sentences together.
    f_scores (List[float]): the F1 of each fold, with the threshold.
    """

    recipe: Recipe
    fitted: Dict[str, Any]
    f_scores: List[float]

    @property
    def f(self) -> float:
        """F1 on all held-out sentences together, with the threshold."""
        return float(self.fitted["f"]["after"])

    @property
    def spread(self) -> float:
        """The standard error of F1: that of the mean over folds."""
        return statistics.stdev(self.f_scores) / len(self.f_scores) ** 0.5


def cross_validate(output: Path, validation: Validation, *, use_gpu: int = -1) -> Judgement:
    """Train a pipeline on all labelled sentences, without a dev set.

    Each recipe is trained once for each fold, on the other folds, and judged on the sentences of the fold. The recipe
    with the best F1 trains the last pipeline, on all sentences. It gets the temperature and the threshold that fit the
    held-out sentences of all folds together. Their F1 is that to expect on new text; it is a little low, since the
    folds train on fewer sentences, and a little high, since they choose recipe and threshold.

    output (Path): the folder. `model-best` is the pipeline, and `folds.json` has the scores. Finished trainings are in
        `folds` until the end, and a killed run goes on from them.
    validation (Validation): the settings. `paths.train` of its overrides has the labelled sentences.
    use_gpu (int): GPU, -1 for the CPU.
    RETURNS (Judgement): the recipe that was taken, and its scores.
    RAISES (CrossnerError): a setting is invalid, there are too few sentences, or see `train`.
    """
    validation.check()
    overrides, steps = dict(validation.overrides), output / STEPS
    config_path = validation.config
    if not config_path.is_file():
        raise CrossnerError(Errors.C009.format(path=config_path))
    with only_writer(output), named_errors(config_path, output):
        # The training set is a stand-in for dev: with one evaluation, nothing is chosen by it.
        overrides["paths.dev"] = overrides.get("paths.train")
        config = complete_config(config_path, overrides)
        check_config(config_path, config)
        settings = {"min_steps": validation.min_steps, "preset": validation.preset, "seeds": validation.seeds}
        recipes = [list(recipe) for recipe in validation.recipes]
        fingerprint = take_fingerprint(config, output, use_gpu, folds=validation.folds, recipes=recipes, **settings)
        if not is_up_to_date(output, fingerprint):
            check_pipeline(output / DIR_MODEL_BEST)
            check_inputs(config, use_gpu)
            # Until the end, `evaluate` takes a pipeline of an earlier run for unfinished.
            (output / RECORD).unlink(missing_ok=True)
            try:
                places = _write_folds(config, steps, validation.folds)
                judged = [_judge(recipe, validation, overrides, places, use_gpu) for recipe in validation.recipes]
            except (CrossnerError, OSError):
                if not any(steps.glob(f"*/*/{RECORD}")):
                    # Nothing is finished from which the next call could go on.
                    shutil.rmtree(steps, ignore_errors=True)
                    with suppress(OSError):
                        output.rmdir()
                raise
            best = max(judged, key=lambda each: each.f)
            _train_last(best, validation, overrides, output, use_gpu)
            remove_folder(output / DIR_MODEL_LAST)
            write_files({output / TABLE: (json.dumps([_row(each) for each in judged], indent=2) + "\n").encode()})
            fingerprint = {**take_fingerprint(config, output, use_gpu), **fingerprint}
            write_record(output, fingerprint, [DIR_MODEL_BEST, TABLE], taken=_row(best))
        remove_folder(steps)
    return _read_best(output)


def check_inputs(config: Config, use_gpu: int) -> None:
    """Check the pipeline and the labels of a config before the first training.

    RAISES (CrossnerError): the pipeline cannot be loaded, or the labels cannot be read.
    """
    paths = config["paths"]
    if paths.get("pretrained"):
        load_pipeline(paths["pretrained"], use_gpu)
    if paths.get("labels"):
        read_domain_labels(Path(paths["labels"]))


def _write_folds(config: Config, folder: Path, folds: int) -> List[Path]:
    seed, corpus = config["system"]["seed"], config["corpora"].get("train", {})
    return write_folds(Path(config["paths"]["train"]), folder, folds, seed, corpus.get("limit", 0))


def _judge(
    recipe: Recipe, validation: Validation, overrides: Dict[str, Any], places: Sequence[Path], use_gpu: int
) -> Judgement:
    """Train a recipe on all folds but one, in turn, and judge it on the sentences that are left."""
    scorers: List[Scorer] = []
    for number, place in enumerate(places, start=1):
        msg.divider(f"{recipe.name}: fold {number} of {len(places)}")
        changes = _with(recipe, overrides)
        changes |= {"paths.train": str(place / "train.spacy"), "paths.dev": str(place / "dev.spacy")}
        train(
            validation.config,
            place / recipe.name,
            epochs=recipe.epochs,
            min_steps=validation.min_steps,
            evaluations=1,
            preset=validation.preset,
            use_gpu=use_gpu,
            overrides=changes,
        )
        nlp = load_pipeline(place / recipe.name / DIR_MODEL_BEST, use_gpu)
        scorers.append(Scorer(nlp, read_docbin(place / "dev.spacy", nlp.vocab), _component(nlp.components)))
    fitted = fit_scores(scorers)
    f_scores = [scorer.f(fitted["temperature"]["after"], fitted["threshold"]) for scorer in scorers]
    return Judgement(recipe, fitted, f_scores)


def _component(components: Sequence[Any]) -> str:
    """Return the name of the component that is trained.

    RAISES (CrossnerError): there is none of this package.
    """
    for name, pipe in components:
        if isinstance(pipe, SequenceNER):
            return str(name)
    raise CrossnerError(Errors.C670.format(names=", ".join(name for name, _ in components) or "none"))


def _with(recipe: Recipe, overrides: Dict[str, Any]) -> Dict[str, Any]:
    return {**overrides, **({"training.optimizer.encoder_rate": recipe.rate} if recipe.rate else {})}


def _train_last(best: Judgement, validation: Validation, overrides: Dict[str, Any], output: Path, use_gpu: int) -> None:
    """Train on all sentences, and set the temperature and the threshold."""
    last = output / STEPS / "all"
    train_average(
        validation.config,
        last,
        validation.seeds,
        always_mean=True,
        epochs=best.recipe.epochs,
        min_steps=validation.min_steps,
        evaluations=1,
        preset=validation.preset,
        use_gpu=use_gpu,
        overrides=_with(best.recipe, overrides),
    )
    nlp = load_pipeline(last / DIR_MODEL_BEST)
    pipe = nlp.get_pipe(_component(nlp.components))
    assert isinstance(pipe, SequenceNER)
    pipe.cfg["temperature"] = best.fitted["temperature"]["after"]
    pipe.cfg["threshold"] = best.fitted["threshold"]
    # The scores on the training set say nothing.
    nlp.meta["performance"] = {"ents_f": best.f, "ents_f_spread": best.spread}
    if (output / DIR_MODEL_BEST).exists():
        shutil.rmtree(output / DIR_MODEL_BEST)
    write_pipeline(nlp, output / DIR_MODEL_BEST)


def _row(judgement: Judgement) -> Dict[str, Any]:
    """Return a judgement as JSON."""
    return {
        "epochs": judgement.recipe.epochs,
        "rate": judgement.recipe.rate,
        "f": judgement.f,
        "f_by_fold": judgement.f_scores,
        "spread": judgement.spread,
        **{name: judgement.fitted[name] for name in ("entities", "temperature", "threshold", "ece")},
        "f_without_threshold": judgement.fitted["f"]["before"],
    }


def _read_best(output: Path) -> Judgement:
    """Return the judgement of the recipe that was taken, from the table."""
    rows = json.loads((output / TABLE).read_text(encoding="utf8"))
    row = max(rows, key=lambda each: each["f"])
    fitted = {name: row[name] for name in ("entities", "temperature", "threshold", "ece")}
    fitted["f"] = {"before": row["f_without_threshold"], "after": row["f"]}
    return Judgement(Recipe(row["epochs"], row["rate"]), fitted, row["f_by_fold"])

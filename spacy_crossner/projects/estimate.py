"""How long a project will take on this machine: the speed of a training step is measured, the rest is counted."""

import time
from typing import Dict, List

import spacy
from spacy.training import Example

from ..storage.loading import use_gpu
from ..training.presets import BASE_WIDTH, PRESETS, encoder_width
from .inspection import Labelled
from .plan import Plan

# The batch that is timed: sentences, and words of each.
SENTENCES, WORDS = 8, 28
# The settings of the steps in project.yml: passes, least steps, sentences in a batch.
SOURCE_EPOCHS, SOURCE_STEPS, SOURCE_BATCH = 2, 150, 32
TARGET_EPOCHS, TARGET_STEPS = 24, 120
DAPT_EPOCHS, FOLDS = 3, 5
# Sentences that the integrated level of `select` keeps, relative to the text, and sentences that the list labels.
SELECTED, LISTED = 1.3, 4000
# A prediction takes a third of a training step. dev is predicted four times in each training, and twice after it.
PREDICTION = 1 / 3
# Seconds to start one step: imports, and opening the encoder.
START = 12.0


def measure_step(encoder: str, lang: str, gpu_id: int = -1) -> "tuple[float, int]":
    """Return the seconds of a training step of 8 sentences, and the width of the encoder.

    encoder (str), lang (str), gpu_id (int): see `Plan`.
    RAISES (CrossnerError): the encoder cannot be found.
    """
    use_gpu(gpu_id)
    nlp = spacy.blank(lang)
    words = ["word", "Name", "another", "."] * (WORDS // 4)
    nlp.add_pipe(
        "crf_ner", config={"model": {"tok2vec": {"@architectures": "spacy_crossner.Encoder.v1", "name": encoder}}}
    )
    examples = [Example.from_dict(nlp.make_doc(" ".join(words)), {"entities": [(5, 9, "X")]}) for _ in range(SENTENCES)]
    optimizer = nlp.initialize(lambda: examples)
    times: List[float] = []
    for _ in range(3):
        begun = time.perf_counter()
        nlp.update(examples, sgd=optimizer)
        times.append(time.perf_counter() - begun)
    # The first step compiles and allocates.
    return min(times[1:]), encoder_width(nlp)


def estimate_minutes(plan: Plan, step_seconds: float, width: int, raw_words: int) -> Dict[str, float]:
    """Return the estimated minutes of each stage of a project.

    plan (Plan): the plan.
    step_seconds (float), width (int): from `measure_step`.
    raw_words (int): the number of words of raw text.
    """
    by_word = step_seconds / (SENTENCES * WORDS)
    n_train = _sentences(plan.labelled, "train")
    least = max(TARGET_STEPS, PRESETS["base"].min_steps if width >= BASE_WIDTH else 0)
    dev = PREDICTION * by_word * WORDS * _sentences(plan.labelled, "dev")
    target = max(TARGET_EPOCHS * n_train / SENTENCES, least) * step_seconds + 4 * dev
    minutes = {"start of the steps": 10 * START}
    if plan.workflow == "all" and plan.raw:
        minutes["DAPT"] = DAPT_EPOCHS * SELECTED * raw_words * by_word
    if plan.workflow != "direct":
        source = plan.source or plan.labelled
        listed = LISTED if plan.raw and plan.names and plan.names.types else 0
        sentences = _sentences(source, "train") + min(listed, raw_words // WORDS)
        steps = max(SOURCE_EPOCHS * sentences / SOURCE_BATCH, SOURCE_STEPS)
        minutes["source stage"] = steps * SOURCE_BATCH / SENTENCES * step_seconds
        minutes["target stage, 3 seeds"] = 3 * target
    else:
        minutes["target stage"] = target
    if not plan.has_dev:
        minutes["folds"] = FOLDS * target
    minutes["scores"] = 2 * dev + PREDICTION * by_word * WORDS * _sentences(plan.labelled, "test")
    return {name: seconds / 60 for name, seconds in minutes.items()}


def describe_time(plan: Plan, raw_words: int) -> str:
    """Return the estimated time of a project in words.

    RAISES (CrossnerError): see `measure_step`.
    """
    step_seconds, width = measure_step(plan.encoder, plan.lang, plan.gpu_id)
    minutes = estimate_minutes(plan, step_seconds, width, raw_words)
    parts = ", ".join(f"{name} {value:.0f}" for name, value in minutes.items() if value >= 0.5)
    return f"time         about {max(1.0, sum(minutes.values())):.0f} minutes on this machine ({parts})"


def _sentences(labelled: Labelled, split: str) -> float:
    """Return the number of sentences of a set; a test set that will be drawn is a fifth of train."""
    sizes = labelled.sizes
    drawn = 0.2 * sizes.get("train", 0) if "dev" in sizes and "test" not in sizes else 0.0
    if split == "train":
        return sizes.get("train", 0) - drawn
    return sizes.get(split, drawn if split == "test" else 0.0)

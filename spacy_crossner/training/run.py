"""The training loop of spaCy's `train`, with its complete state in an object so that it can be saved.

Each step does the same as spaCy's `train_while_improving`, in the same order. Both give the same weights.
"""

from timeit import default_timer as timer
from typing import Any, Dict, Iterator, List, Optional, Tuple

from spacy.language import Language
from spacy.schemas import ConfigSchemaTraining
from spacy.training import Example
from spacy.training.loop import create_evaluation_callback, create_train_batches, subdivide_batch
from spacy.util import registry, resolve_dot_names
from thinc.api import fix_random_seed, set_gpu_allocator

from .divergence import Diverged, infinite_loss
from .log import Row
from .parameters import first_not_finite
from .replay import Batches, Generators


class TrainingRun:
    """A pipeline in training: optimizer, batches, scores and losses so far.

    nlp (Language): the initialized pipeline with the complete config.
    use_gpu (int): GPU, -1 for the CPU.
    """

    def __init__(self, nlp: Language, use_gpu: int = -1) -> None:
        config = nlp.config.interpolate()
        if config["training"]["seed"] is not None:
            fix_random_seed(config["training"]["seed"])
        if use_gpu >= 0 and config["training"]["gpu_allocator"]:
            set_gpu_allocator(config["training"]["gpu_allocator"])
        self.nlp = nlp
        self.settings: Dict[str, Any] = registry.resolve(config["training"], schema=ConfigSchemaTraining)
        self.optimizer = self.settings["optimizer"]
        self.logger = self.settings["logger"]
        self.frozen: List[str] = self.settings["frozen_components"]
        batcher = self.settings["batcher"]
        train, dev = resolve_dot_names(config, [self.settings["train_corpus"], self.settings["dev_corpus"]])
        self.generators = Generators(train_corpus=train, dev_corpus=dev, batcher=batcher)
        self.batches = Batches(create_train_batches(nlp, train, batcher, self.settings["max_epochs"]), self.generators)
        self.evaluate = create_evaluation_callback(nlp, dev, self.settings["score_weights"])
        # The score and the step of each evaluation.
        self.results: List[Tuple[float, int]] = []
        # A row for each evaluation, but for one that was left out.
        self.log: List[Row] = []
        self.losses: Dict[str, float] = {}
        self.words = 0
        self.start = timer()

    @property
    def seconds(self) -> float:
        """Training time, including the time before an interruption."""
        return timer() - self.start

    @property
    def is_finished(self) -> bool:
        """Whether all steps are taken, or the score has not risen for `patience` steps."""
        if not self.results:
            return False
        step = self.batches.drawn - 1
        # The first step with the best score.
        _, best = max((score, -step) for score, step in self.results)
        patience, max_steps = self.settings["patience"], self.settings["max_steps"]
        return bool((patience and step + best >= patience) or (max_steps and step >= max_steps))

    def steps(self) -> Iterator[Tuple[Dict[str, Any], Optional[bool]]]:
        """Take the remaining steps.

        YIELDS (Tuple): after each step, the input of the logger and whether the score is the best so far; None if
            the step had no evaluation.
        RAISES (Diverged): a loss is not finite, or a weight is not finite before an evaluation or at the end.
        """
        while not self.is_finished:
            step = self.batches.drawn
            drawn = next(self.batches, None)
            if drawn is None:
                self.check_weights()
                return
            epoch, batch = drawn
            if self.settings["before_update"]:
                self.settings["before_update"](self.nlp, {"step": step, "epoch": epoch})
            self._update(batch)
            score, other_scores, is_best = None, None, None
            if step % self.settings["eval_frequency"] == 0:
                self.check_weights()
                with self.nlp.use_params(self.optimizer.averages):
                    score, other_scores = self.evaluate()
                self.results.append((score, step))
                is_best = score == max(self.results)[0]
            self.words += sum(len(example) for example in batch)
            info = {
                "epoch": epoch,
                "step": step,
                "score": score,
                "other_scores": other_scores,
                "losses": self.losses,
                "checkpoints": self.results,
                "seconds": int(self.seconds),
                "words": self.words,
            }
            yield info, is_best
            if is_best is not None:
                self.losses = {}

    def check_weights(self) -> None:
        """Check that all weights and optimizer moments are finite.

        RAISES (Diverged): a weight or a moment of the optimizer is not finite.
        """
        name = first_not_finite(self.nlp, self.optimizer, self.frozen)
        if name is not None:
            raise Diverged(self.batches.drawn - 1, f"the weight '{name}'", "not finite")

    def _update(self, batch: List[Example]) -> None:
        """Update the pipeline with a batch."""
        for examples in subdivide_batch(batch, self.settings["accumulate_gradient"]):
            self.nlp.update(
                examples,
                drop=self.settings["dropout"],
                losses=self.losses,
                sgd=False,  # type: ignore[arg-type]
                exclude=self.frozen,
                annotates=self.settings["annotating_components"],
            )
            # Check before the weights change.
            infinite = infinite_loss(self.losses)
            if infinite:
                raise Diverged(self.batches.drawn - 1, *infinite)
        for name, pipe in self.nlp.pipeline:
            trainable = name not in self.frozen and getattr(pipe, "is_trainable", False)
            if trainable and pipe.model not in (True, False, None):  # type: ignore[attr-defined]
                pipe.finish_update(self.optimizer)  # type: ignore[attr-defined]
        self.optimizer.step_schedules()

"""What all our entity recognizers share: labels, gold tags, the update, annotations, input and output.

A component on this base adds its factory, its model and what differs.
"""

from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Set, Tuple, Union, cast

import numpy as np
import srsly
import torch
from numpy.typing import NDArray
from spacy import util
from spacy.errors import Errors as SpacyErrors
from spacy.language import Language
from spacy.pipeline.pipe import deserialize_config
from spacy.pipeline.trainable_pipe import TrainablePipe
from spacy.tokens import Doc, Span
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.vocab import Vocab
from thinc.api import Optimizer, set_dropout_rate
from torch import Tensor

from ..annotations.domains import example_domain, get_domain, get_pair, set_domain
from ..annotations.extensions import require_extension
from ..annotations.scores import NAME as SCORE
from ..annotations.scores import get_score
from ..annotations.tags import OUTSIDE, TAGS_KEY, label_tags, split_tag
from ..annotations.words import see_words
from ..encoders.listening import find_listeners, require_upstream
from ..errors import CrossnerError, Errors
from ..storage.formats import check_format, with_format
from .alignment import UNKNOWN_LABEL, find_partners, gold_tags, tags_to_spans
from .bridge import (
    HeadModel,
    drop_module,
    get_device,
    get_module,
    grow_module,
    has_module,
    make_module,
    predict_rows,
    set_dropout,
)
from .doc_windows import Window, chunk_windows, plan_windows
from .head import Decoding, HeadOutput
from .losses import LossInputs, LossTerm, Teacher, weighted_sum
from .prediction import (
    Prediction,
    allowed_in_windows,
    set_candidates,
    set_entities,
    spans_in_cores,
    without_overlaps,
)

# Enough docs to see a tok2vec layer's widths.
SAMPLE_SIZE = 10

DECODING = ("constrained", "lenient", "strict")
UNCALIBRATED = {"temperature": 1.0, "threshold": 0.0}
PRESET_ENTS = ("constrain", "keep", "overwrite")


class SequenceNER(TrainablePipe):
    """Base of the components that tag the tokens of a Doc and set its entities.

    vocab (Vocab): the shared vocabulary.
    model (HeadModel): a head on a tok2vec layer, see `core.bridge`.
    name (str): the component's name in the pipeline.
    losses (Dict[str, LossTerm]): the terms of the training loss by name; each is logged as `<component>.<term>`. A
        term with weight 0 is not worked out.
    decoding (str): "constrained" allows legal BIO only. "lenient" and "strict" take the best tags as they are and
        differ in how they read an `I-X` that nothing opens: it opens an entity, or it is dropped.
    preset_ents (str): what becomes of entities that an earlier component has set. "constrain": they are kept, and the
        rest is decoded as the best that fits beside them, as in spaCy's `ner`. "keep": they are kept, and what is
        found without a look at them is set where it fits. "overwrite": they are dropped.
    threshold (Optional[float]): entities with a lower score are dropped. None for what `spacy crossner calibrate` has
        found to give the best F1 on dev; 0 before that.
    candidates_key (Optional[str]): the spans group for the entities and the runners-up: all spans with a score of
        `candidates_floor` or more, best first, the scores in its `attrs["scores"]`, too. None for no such group.
    candidates_floor (float): see there; above 0.
    window (int): tokens that the head sees at once. Longer docs are cut, see `plan_windows`; an entity is taken from
        the window in whose core it begins, unless it overlaps one that begins before it.
    overlap (int): tokens that neighbouring windows share where no sentence boundary parts them.
    scorer (Optional[Callable]): scores examples; spaCy's entity scorer by default.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: HeadModel,
        name: str,
        *,
        losses: Dict[str, LossTerm],
        decoding: str = "constrained",
        preset_ents: str = "constrain",
        threshold: Optional[float] = None,
        candidates_key: Optional[str] = None,
        candidates_floor: float = 0.05,
        window: int = 256,
        overlap: int = 32,
        scorer: Optional[Callable[..., Dict[str, Any]]] = None,
    ) -> None:
        if decoding not in DECODING:
            raise CrossnerError(Errors.C004.format(name=name, decoding=decoding, known=", ".join(DECODING)))
        if preset_ents not in PRESET_ENTS:
            known = ", ".join(PRESET_ENTS)
            raise CrossnerError(Errors.C018.format(name=name, preset_ents=preset_ents, known=known))
        if not (0 <= (threshold or 0) <= 1 and 0 < candidates_floor <= 1 and 0 <= overlap < window):
            settings = f"threshold {threshold}, candidates_floor {candidates_floor}, window {window}, overlap {overlap}"
            raise CrossnerError(Errors.C019.format(name=name, settings=settings))
        # A config takes out a term that the factory has by default with null.
        losses = {name: term for name, term in losses.items() if term is not None}
        if not losses:
            raise CrossnerError(Errors.C012.format(name=name))
        self.vocab = vocab
        self.model = model
        self.name = name
        self.losses = losses
        self.decoding = decoding
        self.preset_ents = preset_ents
        self.threshold = threshold
        self.candidates_key = candidates_key
        self.candidates_floor = candidates_floor
        self.window = window
        self.overlap = overlap
        self.scorer = scorer
        # Labels whose weights have not seen an update.
        self._untrained: Set[str] = set()
        # What terms of the loss may learn from; see `training.callbacks.create_attach_teacher`.
        self.teacher: Optional[Teacher] = None
        # The model before training and the labels it is not asked about; see `rehearse`.
        self._remembered: Optional[Tuple[HeadModel, List[str]]] = None
        self.cfg: Dict[str, Any] = with_format({"labels": [], "width": None, **UNCALIBRATED})

    @property
    def labels(self) -> Tuple[str, ...]:
        """The entity labels, in the order in which the component met them."""
        return tuple(self.cfg["labels"])

    @property
    def label_data(self) -> List[str]:
        """The labels in the form that `initialize` takes back."""
        return list(self.labels)

    @property
    def temperature(self) -> float:
        """What scores are divided by before they become probabilities; `spacy crossner calibrate` fits it."""
        return float(self.cfg["temperature"])

    def add_label(self, label: str) -> int:
        """Add an entity label. On a trained component the labels there are keep their weights.

        label (str): the label.
        RETURNS (int): 1 if it was added, 0 if it was there.
        """
        if not isinstance(label, str):
            raise ValueError(SpacyErrors.E187)
        return self.add_labels([label])

    def add_labels(self, labels: Iterable[str]) -> int:
        """Add entity labels; see `add_label`.

        labels (Iterable[str]): the labels; those that are there already are passed over.
        RETURNS (int): how many were added.
        """
        new = [label for label in dict.fromkeys(labels) if label not in self.labels]
        if new:
            self.cfg["labels"] = [*self.labels, *new]
            for label in new:
                self.vocab.strings.add(label)
            if has_module(self.model):
                self._untrained.update(new)
                grow_module(self.model, list(self.labels))
        return len(new)

    # Prediction

    def predict(self, docs: Iterable[Doc]) -> List[Prediction]:
        """Find the entities of docs without changing them.

        docs (Iterable[Doc]): the docs.
        RETURNS (List[Prediction]): what was found in each.
        """
        docs = list(docs)
        words = see_words(docs)
        predictions = [Prediction() for _ in docs]
        if not any(len(doc) for doc, _ in words):
            return predictions
        self._require_module()
        seen = [doc for doc, _ in words]
        require_upstream(self.model, docs, self.name)
        if self.decoding != "constrained":
            for doc, prediction in zip(seen, predictions, strict=True):
                prediction.tags = np.zeros(len(doc), dtype=np.int64)
        windows = plan_windows(seen, self.window, self.overlap)
        chunks = list(chunk_windows(windows))
        rows = ([(window.doc, window.start, window.end) for window in chunk] for chunk in chunks)
        with torch.inference_mode():
            for chunk, output in zip(chunks, predict_rows(self.model, docs, words, rows), strict=True):
                allowed = allowed_in_windows(
                    docs,
                    words,
                    chunk,
                    output.emissions.shape[1],
                    self.labels,
                    beside_preset=self.preset_ents == "constrain",
                )
                self._decode(seen, chunk, output, allowed, predictions)
        if len(windows) > sum(len(doc) > 0 for doc in seen):
            for prediction in predictions:
                prediction.spans = without_overlaps(sorted(prediction.spans))
        for doc, view, prediction in zip(docs, words, predictions, strict=True):
            prediction.candidates.sort(key=lambda span: (-span[3], span))
            prediction.to_tokens(doc, view)
        return predictions

    def _decode(
        self,
        words: List[Doc],
        chunk: List[Window],
        output: HeadOutput,
        allowed: Optional[NDArray[np.bool_]],
        predictions: List[Prediction],
    ) -> None:
        """Add what is found in the windows of a chunk to the predictions of their docs.

        words (List[Doc]): the words of all docs.
        chunk (List[Window]): the windows.
        output (HeadOutput): the output of the head for them.
        allowed (Optional[NDArray]): which tags their words may take, all if None; see `allowed_in_windows`.
        predictions (List[Prediction]): written into.
        """
        head, device = get_module(self.model), output.mask.device
        decoding = Decoding(
            constrained=self.decoding == "constrained",
            allowed=None if allowed is None else torch.from_numpy(allowed).to(device),
            temperature=self.temperature,
        )
        paths = head.decode(output, decoding).cpu().numpy()
        lengths = np.array([window.end - window.start for window in chunk])
        spans = tags_to_spans(paths, lengths, strict=self.decoding == "strict")
        if len(spans):
            threshold = self.cfg["threshold"] if self.threshold is None else self.threshold
            scores = head.span_probabilities(output, torch.from_numpy(spans).to(device), decoding)
            for i, span in spans_in_cores(chunk, spans, scores.cpu().numpy(), self.labels):
                if span[3] >= threshold:
                    predictions[i].spans.append(span)
        if self.candidates_key:
            rows, scores = head.candidates(output, self.candidates_floor, decoding)
            for i, span in spans_in_cores(chunk, rows.cpu().numpy(), scores.cpu().numpy(), self.labels):
                predictions[i].candidates.append(span)
        for window, path in zip(chunk, paths, strict=True):
            tags = predictions[window.doc].tags
            if tags is not None:
                core = path[window.core_start - window.start : window.core_end - window.start]
                tags[window.core_start : window.core_end] = core

    def set_annotations(self, docs: Iterable[Doc], scores: Sequence[Prediction]) -> None:
        """Set the entities of docs and their scores, and the spans group with the runners-up if it is asked for.

        An entity that was there and stays (see `preset_ents`) is certain, unless it has a score: 1.0.

        docs (Iterable[Doc]): the docs.
        scores (Sequence[Prediction]): what `predict` found.
        """
        require_extension(Span, SCORE, get_score)
        names = label_tags(self.labels)
        for doc, prediction in zip(docs, scores, strict=True):
            if prediction.tags is not None:
                doc.user_data[TAGS_KEY] = [names[tag] for tag in prediction.tags]
            set_entities(doc, prediction.spans, keep_preset=self.preset_ents != "overwrite")
            if self.candidates_key:
                set_candidates(doc, prediction.candidates, self.candidates_key)

    # Training

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optional[Optimizer] = None,
        losses: Optional[Dict[str, float]] = None,
    ) -> Dict[str, float]:
        """Learn from a batch: all loss terms are summed and go back through head and encoder once.

        examples (Iterable[Example]): the batch. Tokens without annotation give no gradient. A doc without a domain gets
            that of its annotated one.
        drop (float): dropout rate of the head and of the thinc layers below it.
        sgd (Optional[Optimizer]): if given, the weights are updated.
        losses (Optional[Dict[str, float]]): the weighted sum is added under the component's name, each term, not
            weighted, under `<component>.<term>`.
        RETURNS (Dict[str, float]): the losses.
        RAISES (CrossnerError): the gold annotation holds a label that the component does not know.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        for term in self.losses:
            losses.setdefault(f"{self.name}.{term}", 0.0)
        examples = list(examples)
        validate_examples(examples, f"{type(self).__name__}.update")
        for example in examples:
            set_domain(example.predicted, example_domain(example))
        docs = [example.predicted for example in examples]
        if not _words_of(docs):
            return losses
        self._require_module()
        tags = self._gold_tags(examples)
        output, backprop = self._begin_update(docs, tags, drop)
        loss, terms = self.get_loss(examples, output, tags)
        backprop(loss)
        if sgd not in (None, False):
            self.finish_update(sgd)
        losses[self.name] += loss.item()
        for term, value in terms.items():
            losses[f"{self.name}.{term}"] += value.item()
        return losses

    def _begin_update(self, docs: List[Doc], tags: Tensor, drop: float) -> Tuple[HeadOutput, Callable[[Tensor], Any]]:
        """Return the output of the model in training, and the function that takes the loss back."""
        set_dropout_rate(self.model, drop)
        set_dropout(self.model, drop)
        self.model.attrs["with_sentences"] = any(term.weight and term.needs_sentences for term in self.losses.values())
        output, backprop = self.model.begin_update((docs, tags))
        return cast(HeadOutput, output), backprop

    def get_loss(
        self, examples: Iterable[Example], scores: HeadOutput, tags: Optional[Tensor] = None
    ) -> Tuple[Tensor, Dict[str, Tensor]]:
        """Return the loss of a batch.

        examples (Iterable[Example]): the batch.
        scores (HeadOutput): the output of the model.
        tags (Optional[Tensor]): the gold tags as `update` laid them out; read off the examples if not given.
        RETURNS (Tuple[Tensor, Dict[str, Tensor]]): the weighted sum, connected to the graph, and each term by name.
        """
        examples = list(examples)
        docs = _words_of([example.predicted for example in examples])
        inputs = LossInputs(
            head=get_module(self.model),
            output=scores,
            tags=self._gold_tags(examples) if tags is None else tags,
            domains=[get_domain(doc) for doc in docs],
            partners=torch.from_numpy(find_partners([get_pair(doc) for doc in docs])).to(scores.mask.device),
        )
        learners = [name for name, term in self.losses.items() if term.weight and term.needs_teacher]
        if learners:
            if self.teacher is None:
                raise CrossnerError(Errors.C044.format(name=self.name, terms=", ".join(learners)))
            rows = torch.stack([self.losses[name].teacher_rows(inputs) for name in learners]).any(dim=0)
            inputs.teacher = self.teacher.log_probabilities(docs, inputs.tags, rows)
        nothing = 0.0 * scores.emissions.sum()
        terms = {name: term(inputs) if term.weight else nothing for name, term in self.losses.items()}
        return weighted_sum(self.losses, terms), terms

    def finish_update(self, sgd: Optimizer) -> None:
        """Update the weights. An optimizer with a rate of its own for heads is told which weights these are."""
        if hasattr(sgd, "mark_head"):
            shim = self.model.get_ref("head").shims[0]
            sgd.mark_head((shim.id, name) for name, _ in shim._model.named_parameters())
        super().finish_update(sgd)
        for term in self.losses.values():
            term.finish_update()
        if self.teacher is not None:
            self.teacher.finish_update()
        self._untrained.clear()
        # What was fitted to other weights.
        self.cfg.update(UNCALIBRATED)

    @property
    def _rehearsal_model(self) -> Optional[HeadModel]:
        """The model as it was when `nlp.resume_training` put a copy here."""
        return self._remembered[0] if self._remembered else None

    @_rehearsal_model.setter
    def _rehearsal_model(self, model: HeadModel) -> None:
        # Labels that were added just before know nothing yet, and are not asked.
        self._remembered = (model, [label for label in self.labels if label in self._untrained])

    def rehearse(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optional[Optimizer] = None,
        losses: Optional[Dict[str, float]] = None,
        **config: Any,
    ) -> Dict[str, float]:
        """Learn to tag a batch as the model did when `nlp.resume_training` was called, so as not to forget it.

        Its best tags under the constraints take the place of gold tags. With an encoder inside the component the
        encoder learns, too.

        examples (Iterable[Example]): the batch; its annotation is not looked at.
        drop (float): dropout rate, as in `update`.
        sgd (Optional[Optimizer]): if given, the weights are updated.
        losses (Optional[Dict[str, float]]): the loss is added under the component's name.
        RETURNS (Dict[str, float]): the losses.
        RAISES (CrossnerError): the component listens to an encoder in another component, which rehearsal would not
            run; `nlp.replace_listeners` takes it in.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        docs = _words_of([example.predicted for example in examples])
        if self._remembered is None or not docs:
            return losses
        self._require_module()
        if find_listeners(self.model):
            raise CrossnerError(Errors.C028.format(name=self.name))
        tags = self._remembered_tags(docs)
        output, backprop = self._begin_update(docs, tags, drop)
        loss = get_module(self.model).nll(output, tags)
        backprop(loss)
        if sgd not in (None, False):
            # `nlp.rehearse` collects the gradients first and steps later; torch layers zero theirs in between.
            self.finish_update(cast(Optimizer, lambda key, weights, gradient: sgd(key, weights, gradient.copy())))
        losses[self.name] += loss.item()
        return losses

    def _remembered_tags(self, docs: List[Doc]) -> Tensor:
        """Return the tags that the model before training gives to docs, shape (n_docs, n_words), -1 at padding."""
        assert self._remembered is not None
        model, untrained = self._remembered
        with torch.inference_mode():
            output = model.predict(docs)
            n_tags = output.emissions.shape[2]
            known = np.array([tag == OUTSIDE or split_tag(tag)[1] not in untrained for tag in label_tags(self.labels)])
            allowed = torch.from_numpy(known[:n_tags]).to(output.mask.device).expand(output.emissions.shape)
            paths = get_module(model).decode(output, Decoding(allowed=allowed))
        # Not an inference tensor: it takes part in the loss.
        return torch.where(output.mask, paths, -1).clone()

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Optional[Language] = None,
        labels: Optional[Sequence[str]] = None,
    ) -> None:
        """Prepare the component for training.

        get_examples (Callable): gives gold examples.
        nlp (Optional[Language]): the pipeline.
        labels (Optional[Sequence[str]]): the labels, as `label_data` gives them; collected from all examples, in
            alphabetical order, if not given. spaCy passes 100 examples only where the corpus is a stream.
        RAISES (CrossnerError): there is no label.
        """
        validate_get_examples(get_examples, f"{type(self).__name__}.initialize")
        if labels is None:
            labels = sorted({span.label_ for example in get_examples() for span in example.reference.ents})
        self.add_labels(labels)
        if not self.labels:
            raise CrossnerError(Errors.C002.format(name=self.name))
        docs = _words_of([example.reference for example in islice(get_examples(), SAMPLE_SIZE)])
        self.model.initialize(X=docs or [Doc(self.vocab, words=["hello"])], Y=list(self.labels))
        self.cfg["width"] = self.model.get_dim("nI")

    def _gold_tags(self, examples: Sequence[Example]) -> Tensor:
        """Return the gold tag indices, shape (docs with words, longest doc), -1 where unknown or padding."""
        words = see_words([example.predicted for example in examples])
        pairs = zip(examples, words, strict=True)
        rows = [gold_tags(example, seen, self.labels) for example, seen in pairs if len(seen.doc)]
        tags = np.full((len(rows), max(len(row) for row in rows)), -1, dtype=np.int64)
        for i, row in enumerate(rows):
            tags[i, : len(row)] = row
        if (tags == UNKNOWN_LABEL).any():
            unknown = {ent.label_ for example in examples for ent in example.reference.ents} - set(self.labels)
            raise CrossnerError(Errors.C001.format(name=self.name, label=sorted(unknown)[0], labels=list(self.labels)))
        return torch.from_numpy(tags).to(get_device(self.model))

    def _require_module(self) -> None:
        if not has_module(self.model):
            raise ValueError(SpacyErrors.E109.format(name=self.name))

    # Input and output

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> "SequenceNER":
        """Load the component from bytes; see spaCy's `TrainablePipe.from_bytes`."""
        deserialize: Dict[str, Callable[[Any], Any]] = {
            # The labels come first: the module is made for them.
            "cfg": lambda data: self._load_cfg(srsly.json_loads(data)),
            "vocab": lambda data: self.vocab.from_bytes(data, exclude=exclude),
            "model": self._load_model,
        }
        with self._whole_or_nothing():
            util.from_bytes(bytes_data, deserialize, exclude)
        return self

    def from_disk(self, path: Union[str, Path], *, exclude: Iterable[str] = ()) -> "SequenceNER":
        """Load the component from a folder; see spaCy's `TrainablePipe.from_disk`."""
        deserialize: Dict[str, Callable[[Any], Any]] = {
            "cfg": lambda file: self._load_cfg(deserialize_config(file)),
            "vocab": lambda folder: self.vocab.from_disk(folder, exclude=exclude),
            "model": lambda file: self._load_model(file.read_bytes()),
        }
        with self._whole_or_nothing():
            util.from_disk(path, deserialize, exclude)
        return self

    def training_state_to_bytes(self) -> bytes:
        """Return the teacher, the weights of the terms and what they have learned by themselves, for a checkpoint."""
        terms = {name: (term.weight, term.state_to_bytes()) for name, term in self.losses.items()}
        return srsly.msgpack_dumps({"terms": terms, "teacher": self.teacher.to_bytes() if self.teacher else b""})

    def training_state_from_bytes(self, bytes_data: bytes) -> None:
        """Put back what `training_state_to_bytes` gave."""
        state = srsly.msgpack_loads(bytes_data)
        for name, (weight, learned) in state["terms"].items():
            self.losses[name].weight = weight
            self.losses[name].state_from_bytes(learned)
        if self.teacher is not None and state["teacher"]:
            self.teacher.from_bytes(state["teacher"])

    @contextmanager
    def _whole_or_nothing(self) -> Iterator[None]:
        """Leave no head behind when loading fails, so that nothing half-loaded ever predicts, and say what failed."""
        try:
            yield
        except (ValueError, KeyError, TypeError, IndexError, OSError) as error:
            drop_module(self.model)
            if isinstance(error, (CrossnerError, OSError)):
                raise
            raise CrossnerError(Errors.C003.format(module=f"component '{self.name}'", problem=error)) from error

    def _load_cfg(self, saved: Dict[str, Any]) -> None:
        check_format(saved, f"component '{self.name}'")
        self.cfg.update(with_format(saved))

    def _load_model(self, data: bytes) -> None:
        if self.cfg["width"] is not None:
            make_module(self.model, self.cfg["width"], list(self.labels))
        self.model.from_bytes(data)


def _words_of(docs: Iterable[Doc]) -> List[Doc]:
    """Return docs without blank tokens, those that have words."""
    return [doc for doc, _ in see_words(list(docs)) if len(doc)]

"""What all our entity recognizers share: labels, gold tags, the update, annotations, input and output.

A component on this base adds its factory, its model and what differs.
"""

from itertools import islice
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple, Union

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
from thinc.api import Optimizer, get_torch_default_device, set_dropout_rate, to_numpy, torch2xp
from torch import Tensor

from ..domains import get_domain
from ..errors import CrossnerError, Errors
from ..losses import LossInputs, LossTerm
from ..models.bridge import (
    HeadModel,
    get_module,
    grow_module,
    has_module,
    make_module,
    set_dropout,
)
from ..models.torch.head import HeadOutput
from ..tags import TAGS_KEY, label_tags
from .alignment import UNKNOWN_LABEL, aligned_tags, tags_to_spans

# Enough docs to see a tok2vec layer's widths.
SAMPLE_SIZE = 10

DECODING = ("constrained", "lenient", "strict")


class SequenceNER(TrainablePipe):
    """Base of the components that tag the tokens of a Doc and set its entities.

    vocab (Vocab): the shared vocabulary.
    model (HeadModel): a head on a tok2vec layer, see `models.bridge`.
    name (str): the component's name in the pipeline.
    losses (Dict[str, LossTerm]): the terms of the training loss by name; each is logged as `<component>.<term>`.
    decoding (str): "constrained" allows legal BIO only. "lenient" and "strict" take the best tags as they are and
        differ in how they read an `I-X` that nothing opens: it opens an entity, or it is dropped.
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
        scorer: Optional[Callable[..., Dict[str, Any]]] = None,
    ) -> None:
        if decoding not in DECODING:
            raise CrossnerError(Errors.C004.format(name=name, decoding=decoding, known=", ".join(DECODING)))
        if not losses:
            raise CrossnerError(Errors.C012.format(name=name))
        self.vocab = vocab
        self.model = model
        self.name = name
        self.losses = losses
        self.decoding = decoding
        self.scorer = scorer
        self.cfg: Dict[str, Any] = {"labels": [], "width": None}

    @property
    def labels(self) -> Tuple[str, ...]:
        """The entity labels, in the order in which the component met them."""
        return tuple(self.cfg["labels"])

    @property
    def label_data(self) -> List[str]:
        """The labels in the form that `initialize` takes back."""
        return list(self.labels)

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
                grow_module(self.model, list(self.labels))
        return len(new)

    # Prediction

    def predict(self, docs: Iterable[Doc]) -> List[NDArray[np.int64]]:
        """Tag docs without changing them.

        docs (Iterable[Doc]): the docs.
        RETURNS (List[NDArray]): tag indices for each doc, shape (n_tokens,); see `tags.label_tags` for their order.
        """
        docs = list(docs)
        if not any(len(doc) for doc in docs):
            return [np.zeros(0, dtype=np.int64) for _ in docs]
        self._require_module()
        output = self.model.predict(docs)
        with torch.inference_mode():
            paths = get_module(self.model).decode(output, constrained=self.decoding == "constrained")
        rows = iter(to_numpy(torch2xp(paths)))
        return [next(rows)[: len(doc)] if len(doc) else np.zeros(0, dtype=np.int64) for doc in docs]

    def set_annotations(self, docs: Iterable[Doc], scores: Sequence[NDArray[np.int64]]) -> None:
        """Set the entities of docs. Entities that an earlier component set stay, as with spaCy's `ner`.

        docs (Iterable[Doc]): the docs.
        scores (Sequence[NDArray]): the tag indices that `predict` gave.
        """
        labels = self.labels
        names = label_tags(labels)
        for doc, tags in zip(docs, scores, strict=True):
            if self.decoding != "constrained":
                doc.user_data[TAGS_KEY] = [names[tag] for tag in tags]
            found = tags_to_spans(tags, strict=self.decoding == "strict")
            spans = [Span(doc, start, end, labels[label]) for start, end, label in found]
            if doc.ents:
                preset = {i for ent in doc.ents for i in range(ent.start, ent.end)}
                spans = [*doc.ents, *(span for span in spans if preset.isdisjoint(range(span.start, span.end)))]
            doc.set_ents(spans)

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

        examples (Iterable[Example]): the batch. Tokens without annotation give no gradient.
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
        docs = [example.predicted for example in examples]
        if not any(len(doc) for doc in docs):
            return losses
        self._require_module()
        set_dropout_rate(self.model, drop)
        set_dropout(self.model, drop)
        tags = self._gold_tags(examples)
        output, backprop = self.model.begin_update((docs, tags))
        loss, terms = self.get_loss(examples, output, tags)
        backprop(loss)
        if sgd not in (None, False):
            self.finish_update(sgd)
        losses[self.name] += loss.item()
        for term, value in terms.items():
            losses[f"{self.name}.{term}"] += value.item()
        return losses

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
        inputs = LossInputs(
            head=get_module(self.model),
            output=scores,
            tags=self._gold_tags(examples) if tags is None else tags,
            domains=[get_domain(example.predicted) for example in examples if len(example.predicted)],
        )
        terms = {name: term(inputs) for name, term in self.losses.items()}
        weighted = torch.stack([self.losses[name].weight * value for name, value in terms.items()])
        return weighted.sum(), terms

    def finish_update(self, sgd: Optimizer) -> None:
        """Update the weights. An optimizer with a rate of its own for heads is told which weights these are."""
        if hasattr(sgd, "mark_head"):
            shim = self.model.get_ref("head").shims[0]
            sgd.mark_head((shim.id, name) for name, _ in shim._model.named_parameters())
        super().finish_update(sgd)

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
        docs = [example.reference for example in islice(get_examples(), SAMPLE_SIZE) if len(example.reference)]
        self.model.initialize(X=docs or [Doc(self.vocab, words=["hello"])], Y=list(self.labels))
        self.cfg["width"] = self.model.get_dim("nI")

    def _gold_tags(self, examples: Sequence[Example]) -> Tensor:
        """Return the gold tag indices, shape (docs with tokens, longest doc), -1 where unknown or padding."""
        rows = [aligned_tags(example, self.labels) for example in examples if len(example.predicted)]
        tags = np.full((len(rows), max(len(row) for row in rows)), -1, dtype=np.int64)
        for i, row in enumerate(rows):
            tags[i, : len(row)] = row
        if (tags == UNKNOWN_LABEL).any():
            unknown = {ent.label_ for example in examples for ent in example.reference.ents} - set(self.labels)
            raise CrossnerError(Errors.C001.format(name=self.name, label=sorted(unknown)[0], labels=list(self.labels)))
        return torch.from_numpy(tags).to(get_torch_default_device())

    def _require_module(self) -> None:
        if not has_module(self.model):
            raise ValueError(SpacyErrors.E109.format(name=self.name))

    # Input and output

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> "SequenceNER":
        """Load the component from bytes; see spaCy's `TrainablePipe.from_bytes`."""
        deserialize: Dict[str, Callable[[Any], Any]] = {
            # The labels come first: the module is made for them.
            "cfg": lambda data: self.cfg.update(srsly.json_loads(data)),
            "vocab": lambda data: self.vocab.from_bytes(data, exclude=exclude),
            "model": self._load_model,
        }
        util.from_bytes(bytes_data, deserialize, exclude)
        return self

    def from_disk(self, path: Union[str, Path], *, exclude: Iterable[str] = ()) -> "SequenceNER":
        """Load the component from a folder; see spaCy's `TrainablePipe.from_disk`."""
        deserialize: Dict[str, Callable[[Any], Any]] = {
            "cfg": lambda file: self.cfg.update(deserialize_config(file)),
            "vocab": lambda folder: self.vocab.from_disk(folder, exclude=exclude),
            "model": lambda file: self._load_model(file.read_bytes()),
        }
        util.from_disk(path, deserialize, exclude)
        return self

    def _load_model(self, data: bytes) -> None:
        if self.cfg["width"] is not None:
            make_module(self.model, self.cfg["width"], list(self.labels))
        self.model.from_bytes(data)

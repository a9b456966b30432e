"""The base class of our entity recognizers: update, loss, initialization.

Its other parts are in `labels`, `settings` (shared settings), `decoding` (prediction), `rehearsal` and `io` (saving and
loading). Each method adds a factory and a model, and overrides methods of this class where it differs.
"""

from collections import Counter
from itertools import islice
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Set, Tuple

import numpy as np
import torch
from spacy.language import Language
from spacy.pipeline.trainable_pipe import TrainablePipe
from spacy.tokens import Doc
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.vocab import Vocab
from thinc.api import Optimizer
from torch import Tensor

from ..annotations.domains import example_domain, get_domain, get_pair, set_domain
from ..annotations.words import docs_of_words, see_words
from ..encoders.word_encoder import to_device
from ..errors import CrossnerError, Errors
from ..storage.formats import with_format
from ..threads import use_ops_of
from .alignment import UNKNOWN_LABEL, find_partners, gold_tags
from .bridge import HeadModel, begin_update, get_device, get_module, require_module
from .decoding import PredictingComponent
from .doc_windows import Rows, plan_windows
from .head import HeadOutput
from .io import SavedComponent
from .losses import LossInputs, LossTerm, Teacher, weighted_sum
from .rehearsal import RehearsingComponent
from .settings import DecodingSettings

# Number of docs for initialization: enough to infer the widths of a tok2vec layer.
SAMPLE_SIZE = 10
UNCALIBRATED = {"temperature": 1.0, "threshold": 0.0}


class SequenceNER(PredictingComponent, RehearsingComponent, SavedComponent, TrainablePipe):
    """Base of the components that tag the words of a Doc and set its entities.

    vocab (Vocab): the shared vocabulary.
    model (HeadModel): a head on a tok2vec layer, see `core.bridge`.
    name (str): the component's name in the pipeline.
    losses (Dict[str, LossTerm]): the terms of the training loss by name; each is logged as `<component>.<term>`. A
        term with weight 0 is not computed. None as a term removes a default term.
    scorer (Optional[Callable]): scores examples.
    settings (Any): see `DecodingSettings`.
    RAISES (CrossnerError): `losses` holds no term, or a setting has an invalid value.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: HeadModel,
        name: str,
        *,
        losses: Dict[str, LossTerm],
        scorer: Optional[Callable[..., Dict[str, Any]]] = None,
        **settings: Any,
    ) -> None:
        DecodingSettings.__init__(self, **settings)
        self.check_settings(name)
        losses = {name: term for name, term in losses.items() if term is not None}
        if not losses:
            raise CrossnerError(Errors.C012.format(name=name))
        self.vocab = vocab
        self.model = model
        self.name = name
        self.losses = losses
        self.scorer = scorer
        self.untrained: Set[str] = set()
        # A model that loss terms may learn from; see `training.callbacks.create_attach_teacher`.
        self.teacher: Optional[Teacher] = None
        self._earlier: Optional[Tuple[HeadModel, List[str]]] = None
        self.cfg: Dict[str, Any] = with_format({"labels": [], "width": None, **UNCALIBRATED})

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optional[Optimizer] = None,
        losses: Optional[Dict[str, float]] = None,
    ) -> Dict[str, float]:
        """Learn from a batch: sum all loss terms, then run one backward pass through head and encoder.

        examples (Iterable[Example]): the batch. Tokens without annotation give no gradient. A predicted doc without a
            domain gets the domain of the reference doc.
        drop (float): dropout rate of the head and of the thinc layers below it.
        sgd (Optional[Optimizer]): if given, the weights are updated.
        losses (Optional[Dict[str, float]]): the weighted sum is added under the component's name. Each term is added
            unweighted under `<component>.<term>`.
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
        rows = self.make_rows(docs)
        if not rows.windows:
            return losses
        require_module(self.model, self.name)
        rows = rows.with_tags(self.gold_tags(examples, rows))
        needs_sentences = any(term.weight and term.needs_sentences for term in self.losses.values())
        with use_ops_of(self.model):
            output, backprop = begin_update(self.model, rows, drop, with_sentences=needs_sentences)
            loss, terms = self.get_loss(examples, output, rows)
            backprop(loss)
            if sgd not in (None, False):
                self.finish_update(sgd)
        losses[self.name] += loss.item()
        for term, value in terms.items():
            losses[f"{self.name}.{term}"] += value.item()
        return losses

    def get_loss(
        self, examples: Iterable[Example], scores: HeadOutput, rows: Optional[Rows] = None
    ) -> Tuple[Tensor, Dict[str, Tensor]]:
        """Return the loss of a batch.

        examples (Iterable[Example]): the batch.
        scores (HeadOutput): the output of the model.
        rows (Optional[Rows]): the rows of the output with their gold tags; made from the examples if not given.
        RETURNS (Tuple[Tensor, Dict[str, Tensor]]): the weighted sum, with its graph, and each term by name.
        """
        examples = list(examples)
        if rows is None:
            rows = self.make_rows([example.predicted for example in examples])
        tags = self.gold_tags(examples, rows) if rows.tags is None else rows.tags
        docs = [rows.words[window.doc].source for window in rows.windows]
        inputs = LossInputs(
            head=get_module(self.model),
            output=scores,
            tags=tags,
            domains=[get_domain(doc) for doc in docs],
            partners=torch.from_numpy(find_partners(rows_of_pairs(rows))).to(scores.mask.device),
        )
        learners = [name for name, term in self.losses.items() if term.weight and term.needs_teacher]
        if learners:
            if self.teacher is None:
                raise CrossnerError(Errors.C044.format(name=self.name, terms=", ".join(learners)))
            selected = torch.stack([self.losses[name].teacher_rows(inputs) for name in learners]).any(dim=0)
            inputs.teacher = self.teacher.log_probabilities(rows, tags, selected)
        nothing = 0.0 * scores.emissions.sum()
        terms = {name: term(inputs) if term.weight else nothing for name, term in self.losses.items()}
        return weighted_sum(self.losses, terms), terms

    def finish_update(self, sgd: Optimizer) -> None:
        """Update the weights. An optimizer with a learning rate for heads gets the keys of the head's weights."""
        if hasattr(sgd, "mark_head"):
            shim = self.model.get_ref("head").shims[0]
            sgd.mark_head((shim.id, name) for name, _ in shim._model.named_parameters())
        super().finish_update(sgd)
        for term in self.losses.values():
            term.finish_update()
        if self.teacher is not None:
            self.teacher.finish_update()
        self.untrained.clear()
        # The temperature and the threshold were fitted to the old weights.
        self.cfg.update(UNCALIBRATED)

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Optional[Language] = None,
        labels: Optional[Sequence[str]] = None,
    ) -> None:
        """Prepare the component for training.

        get_examples (Callable): returns gold examples.
        nlp (Optional[Language]): the pipeline.
        labels (Optional[Sequence[str]]): the labels, as in `label_data`. If not given, they are collected from all
            examples, in alphabetical order. For a streamed corpus, spaCy passes only 100 examples.
        RAISES (CrossnerError): no labels were given and the examples hold no entity.
        """
        validate_get_examples(get_examples, f"{type(self).__name__}.initialize")
        if labels is None:
            labels = sorted({span.label_ for example in get_examples() for span in example.reference.ents})
        self.add_labels(labels)
        if not self.labels:
            raise CrossnerError(Errors.C002.format(name=self.name))
        docs = docs_of_words([example.reference for example in islice(get_examples(), SAMPLE_SIZE)])
        self.model.initialize(X=docs or [Doc(self.vocab, words=["hello"])], Y=list(self.labels))
        self.cfg["width"] = self.model.get_dim("nI")

    def make_rows(self, docs: Sequence[Doc]) -> Rows:
        """Return the rows of the head for docs: the same windows in training as in prediction."""
        words = see_words(docs)
        return Rows(words, plan_windows(words, self.window, self.overlap))

    def gold_tags(self, examples: Sequence[Example], rows: Rows) -> Tensor:
        """Return the gold tag indices, shape (n_rows, longest row), -1 where unknown or padding.

        If a window begins within an entity, the entity begins there.

        RAISES (CrossnerError): the gold annotation holds a label that the component does not know.
        """
        needed = sorted({window.doc for window in rows.windows})
        of_doc = {doc: gold_tags(examples[doc], rows.words[doc], self.labels) for doc in needed}
        tags = np.full((len(rows.windows), int(rows.lengths().max())), -1, dtype=np.int64)
        for row, (doc, start, end, _, _) in enumerate(rows.windows):
            tags[row, : end - start] = of_doc[doc][start:end]
        if (tags == UNKNOWN_LABEL).any():
            unknown = {ent.label_ for example in examples for ent in example.reference.ents} - set(self.labels)
            raise CrossnerError(Errors.C001.format(name=self.name, label=sorted(unknown)[0], labels=list(self.labels)))
        begins_inside = (tags[:, 0] > 0) & (tags[:, 0] % 2 == 0) & [window.start > 0 for window in rows.windows]
        tags[begins_inside, 0] -= 1
        return to_device(tags, get_device(self.model))


def rows_of_pairs(rows: Rows) -> List[Optional[Tuple[int, int]]]:
    """Return for each row the number of its doc's pair, and of the window in the doc; None for a doc without a pair."""
    pairs: List[Optional[Tuple[int, int]]] = []
    counts: Counter[int] = Counter()
    for window in rows.windows:
        pair = get_pair(rows.words[window.doc].source)
        pairs.append(None if pair is None else (pair, counts[window.doc]))
        counts[window.doc] += 1
    return pairs

"""A teacher: a copy of a component's model, encoder included, that learns from it and not from the data."""

import copy
from typing import Any, Dict, Iterator, List, Optional, Tuple, cast

import srsly
import torch
from safetensors.torch import load, save
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import replace_model_node
from thinc.api import Model
from torch import Tensor

from ...core.bridge import HeadModel, get_module
from ...core.weights import node_weights
from ...encoders.listening import find_listeners
from ...errors import CrossnerError, Errors

# Docs that a teacher remembers at most.
MOST_DOCS = 20_000

# A layer of the teacher and that of the student it was copied from.
Pair = Tuple[Model[Any, Any], Model[Any, Any]]


class Teacher:
    """Tags docs as the component did, and follows it.

    It is part of checkpoints and of no saved pipeline.

    model (HeadModel): the teacher's model, with no listener in it.
    pairs (List[Pair]): its layers with those of the student.
    every (int): the teacher becomes equal to the student after every so many updates; 0 for never. What it has said
        of a doc is remembered till then.
    decay (Optional[float]): the teacher's weights are the moving average of the student's: with each update this share
        of them stays. None for no average.
    RAISES (CrossnerError): there is both or neither of `every` and `decay`, or one has no meaning.
    """

    def __init__(self, model: HeadModel, pairs: List[Pair], *, every: int = 0, decay: Optional[float] = None) -> None:
        if every < 0 or (every > 0) == (decay is not None) or not 0 <= (decay or 0) < 1:
            raise CrossnerError(Errors.C039.format(every=every, decay=decay))
        self.model = model
        self.pairs = pairs
        self.every = every
        self.decay = decay
        self.updates = 0
        self._said: Dict[bytes, Tensor] = {}

    def log_probabilities(self, docs: List[Doc], tags: Tensor, rows: Tensor) -> Tensor:
        """Return the log-probability of each tag at each token, without a gradient.

        docs (List[Doc]): docs with tokens.
        tags (Tensor): gold tag indices, -1 where unknown, shape (n_docs, n_tokens): an autoregressive head's prefix.
        rows (Tensor): which docs it is asked about, bool, shape (n_docs,).
        RETURNS (Tensor): shape (n_docs, n_tokens, n_tags); 0 in the other rows.
        """
        asked = rows.nonzero().squeeze(1).tolist()
        found = tags.new_zeros((*tags.shape, self.model.get_dim("nO")), dtype=torch.float32)
        for i, values in zip(asked, self._answers([docs[i] for i in asked], tags[asked]), strict=True):
            found[i, : len(docs[i])] = values[: len(docs[i])]
        return found

    def _answers(self, docs: List[Doc], tags: Tensor) -> List[Tensor]:
        """Return what it says of each doc."""
        if not docs:
            return []
        if self.decay is not None:
            return list(self._ask(docs, tags))
        keys = [_key(doc, row) for doc, row in zip(docs, tags, strict=True)]
        if len(self._said) > MOST_DOCS:
            self._said.clear()
        new = [i for i, key in enumerate(keys) if key not in self._said]
        if new:
            found = self._ask([docs[i] for i in new], tags[new])
            self._said.update((keys[i], rows[: len(docs[i])]) for i, rows in zip(new, found, strict=True))
        return [self._said[key] for key in keys]

    def _ask(self, docs: List[Doc], tags: Tensor) -> Tensor:
        longest = max(len(doc) for doc in docs)
        with torch.no_grad():
            return get_module(self.model).log_probabilities(self.model.predict((docs, tags[:, :longest])))

    def finish_update(self) -> None:
        """Follow the student, whose weights have been updated."""
        self.updates += 1
        if self.decay is not None:
            self._move(1 - self.decay)
        elif self.updates % self.every == 0:
            self._move(1.0)
            self._said.clear()

    @torch.no_grad()
    def _move(self, share: float) -> None:
        """Take over a share of the student's weights."""
        for _, own, students in self._weights():
            if share < 1 and own.is_floating_point():
                own.lerp_(students, share)
            else:
                own.copy_(students)

    def _weights(self) -> Iterator[Tuple[str, Tensor, Tensor]]:
        """Yield the name of all weights, the tensor of the teacher and that of the student, in their own memory."""
        for i, (own, students) in enumerate(self.pairs):
            of_student = {name: tensor for name, _, tensor in node_weights(students)}
            for name, _, tensor in node_weights(own):
                yield f"{i}/{name}", tensor, of_student[name]

    def to_bytes(self) -> bytes:
        """Return the weights, the number of updates, and what is remembered."""
        weights = {name: tensor.detach().cpu().clone().contiguous() for name, tensor, _ in self._weights()}
        said = {str(i): rows.cpu() for i, rows in enumerate(self._said.values())}
        state = {"updates": self.updates, "weights": save(weights), "docs": list(self._said), "said": save(said)}
        return cast(bytes, srsly.msgpack_dumps(state))

    @torch.no_grad()
    def from_bytes(self, data: bytes) -> None:
        """Put back what `to_bytes` gave."""
        state = srsly.msgpack_loads(data)
        weights, said = load(state["weights"]), load(state["said"])
        for name, tensor, _ in self._weights():
            tensor.copy_(weights[name])
        device = next(get_module(self.model).parameters()).device
        self.updates = state["updates"]
        self._said = {key: said[str(i)].to(device) for i, key in enumerate(state["docs"])}


def make_teacher(nlp: Language, component: str, *, every: int = 0, decay: Optional[float] = None) -> Teacher:
    """Return a teacher that is, for now, equal to a component; see `Teacher`.

    nlp (Language): the pipeline. The encoder that the component listens to is copied into the teacher.
    component (str): the component's name.
    """
    model = dict(nlp.components)[component].model  # type: ignore[attr-defined]
    listeners = find_listeners(model)
    upstreams = {i: _upstream(nlp, node) for i, node in enumerate(model.walk()) if node in listeners}
    # One copy of both: what they share stays shared.
    copied, inlined = copy.deepcopy((model, upstreams))
    originals = [(copied, model), *((inlined[i], upstream) for i, upstream in upstreams.items())]
    pairs = [pair for own, students in originals for pair in zip(own.walk(), students.walk(), strict=True)]
    nodes = list(copied.walk())
    for i, upstream in inlined.items():
        wrap = upstream.attrs.get("replace_listener")
        replace_model_node(copied, nodes[i], upstream if wrap is None else wrap(upstream))
    return Teacher(copied, pairs, every=every, decay=decay)


def _upstream(nlp: Language, listener: Model[Any, Any]) -> Model[Any, Any]:
    """Return the model that a listener listens to."""
    for _, pipe in nlp.components:
        if any(other is listener for other in getattr(pipe, "listeners", [])):
            return cast(Model[Any, Any], pipe.model)  # type: ignore[attr-defined]
    raise CrossnerError(Errors.C040.format(name=listener.name))


def _key(doc: Doc, tags: Tensor) -> bytes:
    """Return what a doc is remembered by: its tokens and its tags."""
    words = "\0".join(token.text for token in doc)
    return words.encode("utf8") + b"\0\0" + tags[: len(doc)].cpu().numpy().astype("<i8").tobytes()

"""A teacher: a copy of a component's model, encoder included, that follows the component."""

import copy
from typing import Any, Dict, Iterator, List, Optional, Tuple, cast

import numpy as np
import srsly
import torch
from safetensors.torch import load, save
from spacy.language import Language
from spacy.util import replace_model_node
from thinc.api import Model
from torch import Tensor

from ...core.bridge import HeadModel, get_module
from ...core.doc_windows import Rows
from ...core.weights import node_weights
from ...encoders.listening import find_listeners, find_upstream
from ...errors import CrossnerError, Errors

# Maximum number of docs with cached predictions.
MOST_DOCS = 20_000

# A layer of the teacher, and the layer of the student that it was copied from.
Pair = Tuple[Model[Any, Any], Model[Any, Any]]


class Teacher:
    """An earlier copy of a component, or the moving average of its weights (a mean teacher).

    Checkpoints contain the teacher, saved pipelines do not.

    model (HeadModel): the teacher's model, without listeners.
    pairs (List[Pair]): its layers, paired with the layers of the student.
    every (int): number of updates after which the weights of the student are copied to the teacher; 0 for never. The
        predictions of the teacher are cached between two copies.
    decay (Optional[float]): decay of the moving average: the fraction of the teacher's weights that each update keeps.
        None for no average.
    RAISES (CrossnerError): both or neither of `every` and `decay` are given, or one is out of range.
    """

    def __init__(self, model: HeadModel, pairs: List[Pair], *, every: int = 0, decay: Optional[float] = None) -> None:
        if every < 0 or (every > 0) == (decay is not None) or not 0 <= (decay or 0) < 1:
            raise CrossnerError(Errors.C039.format(every=every, decay=decay))
        self.model = model
        self.pairs = pairs
        self.every = every
        self.decay = decay
        self.updates = 0
        self._cache: Dict[bytes, Tensor] = {}

    def log_probabilities(self, rows: Rows, tags: Tensor, selected: Tensor) -> Tensor:
        """Return the log-probability of each tag at each token, without a gradient.

        rows (Rows): the rows of the batch.
        tags (Tensor): gold tag indices, -1 where unknown, shape (n_rows, n_tokens); the prefixes of an autoregressive
            head.
        selected (Tensor): which rows to predict, bool, shape (n_rows,).
        RETURNS (Tensor): shape (n_rows, n_tokens, n_tags); 0 in all other rows.
        """
        numbers = selected.nonzero().squeeze(1).tolist()
        answers = tags.new_zeros((*tags.shape, self.model.get_dim("nO")), dtype=torch.float32)
        for i, of_row in zip(numbers, self._answers(rows, numbers, tags), strict=True):
            answers[i, : len(of_row)] = of_row
        return answers

    def _answers(self, rows: Rows, numbers: List[int], tags: Tensor) -> List[Tensor]:
        """Return the log-probabilities of some rows, from the cache if possible."""
        if not numbers:
            return []
        if self.decay is not None:
            return self._predict(rows, numbers, tags)
        keys = [_key(rows, i, tags[i]) for i in numbers]
        if len(self._cache) > MOST_DOCS:
            self._cache.clear()
        new = {key: i for key, i in zip(keys, numbers, strict=True) if key not in self._cache}
        if new:
            self._cache.update(zip(new, self._predict(rows, list(new.values()), tags), strict=True))
        return [self._cache[key] for key in keys]

    def _predict(self, rows: Rows, numbers: List[int], tags: Tensor) -> List[Tensor]:
        some = rows.select(numbers)
        lengths = some.lengths().tolist()
        with torch.no_grad():
            output = self.model.predict(some.with_tags(tags[numbers, : max(lengths)]))
            found = get_module(self.model).log_probabilities(output)
        return [of_row[:length] for of_row, length in zip(found, lengths, strict=True)]

    def finish_update(self) -> None:
        """Update the teacher's weights after an update of the student's weights."""
        self.updates += 1
        if self.decay is not None:
            self._follow(1 - self.decay)
        elif self.updates % self.every == 0:
            self._follow(1.0)
            self._cache.clear()

    @torch.no_grad()
    def _follow(self, rate: float) -> None:
        """Move the teacher's weights towards the student's, by a fraction of the difference; 1 copies the weights."""
        for _, teacher, student in self._weights():
            if rate < 1 and teacher.is_floating_point():
                teacher.lerp_(student, rate)
            else:
                teacher.copy_(student)

    def _weights(self) -> Iterator[Tuple[str, Tensor, Tensor]]:
        """Yield the name of each weight, and the tensors of teacher and student, which are no copies."""
        for i, (teacher, student) in enumerate(self.pairs):
            of_student = {name: tensor for name, _, tensor in node_weights(student)}
            for name, _, tensor in node_weights(teacher):
                yield f"{i}/{name}", tensor, of_student[name]

    def to_bytes(self) -> bytes:
        """Return the weights, the number of updates, and the cached predictions."""
        weights = {name: tensor.detach().cpu().clone().contiguous() for name, tensor, _ in self._weights()}
        answers = {str(i): rows.cpu() for i, rows in enumerate(self._cache.values())}
        state = {"updates": self.updates, "weights": save(weights), "docs": list(self._cache), "answers": save(answers)}
        return cast(bytes, srsly.msgpack_dumps(state))

    @torch.no_grad()
    def from_bytes(self, data: bytes) -> None:
        """Restore the state that `to_bytes` returned."""
        state = srsly.msgpack_loads(data)
        weights, answers = load(state["weights"]), load(state["answers"])
        for name, tensor, _ in self._weights():
            tensor.copy_(weights[name])
        device = next(get_module(self.model).parameters()).device
        self.updates = state["updates"]
        self._cache = {key: answers[str(i)].to(device) for i, key in enumerate(state["docs"])}


def make_teacher(nlp: Language, component: str, *, every: int = 0, decay: Optional[float] = None) -> Teacher:
    """Return a teacher with the current weights of a component; see `Teacher`.

    nlp (Language): the pipeline. An encoder that the component listens to is copied into the teacher.
    component (str): the component's name.
    """
    model = dict(nlp.components)[component].model  # type: ignore[attr-defined]
    listeners = find_listeners(model)
    upstreams = {i: _upstream(nlp, node) for i, node in enumerate(model.walk()) if node in listeners}
    # Copied together, so that shared layers stay shared.
    copied, inlined = copy.deepcopy((model, upstreams))
    originals = [(copied, model), *((inlined[i], upstream) for i, upstream in upstreams.items())]
    pairs = [pair for teacher, student in originals for pair in zip(teacher.walk(), student.walk(), strict=True)]
    nodes = list(copied.walk())
    for i, upstream in inlined.items():
        wrap = upstream.attrs.get("replace_listener")
        replace_model_node(copied, nodes[i], upstream if wrap is None else wrap(upstream))
    return Teacher(copied, pairs, every=every, decay=decay)


def _upstream(nlp: Language, listener: Model[Any, Any]) -> Model[Any, Any]:
    upstream = find_upstream(nlp, listener)
    if upstream is None:
        raise CrossnerError(Errors.C040.format(name=listener.name))
    return upstream


def _key(rows: Rows, row: int, tags: Tensor) -> bytes:
    """Return the cache key of a row: the words of its doc, the place of the window, and its tags."""
    doc, start, end, _, _ = rows.windows[row]
    words = "\0".join(token.text for token in rows.words[doc].doc)
    place = np.array([start, end], dtype="<i8").tobytes()
    return words.encode("utf8") + b"\0\0" + place + tags[: end - start].cpu().numpy().astype("<i8").tobytes()

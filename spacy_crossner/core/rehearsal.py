"""Rehearsal against forgetting, as in spaCy's `rehearse`: training on the predictions of the model before training."""

from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple, cast

import numpy as np
import torch
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Optimizer
from torch import Tensor

from ..annotations.tags import OUTSIDE, label_tags, split_tag
from ..encoders.listening import find_listeners
from ..errors import CrossnerError, Errors
from ..threads import use_ops_of
from .bridge import HeadModel, begin_update, get_module, require_module
from .doc_windows import Rows
from .head import Decoding
from .labels import LabelledComponent


class RehearsingComponent(LabelledComponent):
    """The part of a component that rehearses. It keeps a copy of the model before training."""

    # The model before training, and the labels whose weights were not trained yet.
    _earlier: Optional[Tuple[HeadModel, List[str]]]
    finish_update: Callable[[Optimizer], None]
    make_rows: Callable[[Sequence[Doc]], Rows]

    @property
    def _rehearsal_model(self) -> Optional[HeadModel]:
        """The model before training. `nlp.resume_training` sets it to a copy of the model."""
        return self._earlier[0] if self._earlier else None

    @_rehearsal_model.setter
    def _rehearsal_model(self, model: HeadModel) -> None:
        self._earlier = (model, [label for label in self.labels if label in self.untrained])

    def rehearse(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optional[Optimizer] = None,
        losses: Optional[Dict[str, float]] = None,
        **config: Any,
    ) -> Dict[str, float]:
        """Learn to tag a batch as the model did when `nlp.resume_training` was called.

        The best legal path of that model replaces the gold tags. An encoder inside the component is trained, too.

        examples (Iterable[Example]): the batch; its annotation is not used.
        drop (float): dropout rate, as in `update`.
        sgd (Optional[Optimizer]): if given, the weights are updated.
        losses (Optional[Dict[str, float]]): the loss is added under the component's name.
        RETURNS (Dict[str, float]): the losses.
        RAISES (CrossnerError): the component listens to an encoder in another component, which rehearsal does not run.
            `nlp.replace_listeners` copies the encoder into the component.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        rows = self.make_rows([example.predicted for example in examples])
        if self._earlier is None or not rows.windows:
            return losses
        require_module(self.model, self.name)
        if find_listeners(self.model):
            raise CrossnerError(Errors.C028.format(name=self.name))
        with use_ops_of(self.model):
            tags = self.earlier_tags(rows)
            output, backprop = begin_update(self.model, rows.with_tags(tags), drop)
            loss = get_module(self.model).nll(output, tags)
            backprop(loss)
            if sgd not in (None, False):
                # Copied: `nlp.rehearse` collects the gradients and steps later. Until then, torch zeroes its own.
                self.finish_update(cast(Optimizer, lambda key, weights, gradient: sgd(key, weights, gradient.copy())))
        losses[self.name] += loss.item()
        return losses

    def earlier_tags(self, rows: Rows) -> Tensor:
        """Return the tags that the model before training predicts, shape (n_rows, longest row), -1 at padding."""
        assert self._earlier is not None
        model, unknown_labels = self._earlier
        tags = label_tags(self.labels)
        is_known = np.array([tag == OUTSIDE or split_tag(tag)[1] not in unknown_labels for tag in tags])
        with torch.inference_mode():
            output = model.predict(rows)
            n_tags = output.emissions.shape[2]
            allowed = torch.from_numpy(is_known[:n_tags]).to(output.mask.device).expand(output.emissions.shape)
            paths = get_module(model).decode(output, Decoding(allowed=allowed))
        # Cloned, because an inference tensor cannot be used in a loss.
        return torch.where(output.mask, paths, -1).clone()

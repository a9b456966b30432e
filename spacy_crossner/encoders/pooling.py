"""Pooling of word pieces to token vectors, with zeros for a token without pieces."""

from functools import partial
from typing import Any, Callable, Tuple, cast

from thinc.api import Model
from thinc.types import Floats2d, Ragged

# Name of the layer that pools an encoder's pieces, in a listener and in an inline encoder.
POOLING = "trfs2arrays"

Pooling = Model[Ragged, Floats2d]
Forward = Callable[..., Tuple[Floats2d, Callable[[Floats2d], Ragged]]]


def guard_pooling(tok2vec: Model[Any, Any]) -> None:
    """Make the poolings in a layer give zeros for tokens without pieces, such as line breaks, and no gradient for them.

    thinc's `reduce_first`, `reduce_last` and `reduce_max` fail on a batch with such a token. The forward functions are
    wrapped in place: an additional layer would not fit saved pipelines.

    tok2vec (Model): a layer with any number of poolings in it.
    """
    for node in tok2vec.walk():
        if node.name == POOLING:
            pooling = node.layers[0]
            if not isinstance(pooling._func, partial) or pooling._func.func is not pool_pieces:
                pooling._func = partial(pool_pieces, pooling._func)


def pool_pieces(
    forward: Forward, model: Pooling, pieces: Ragged, is_train: bool
) -> Tuple[Floats2d, Callable[[Floats2d], Ragged]]:
    """Run a pooling on the tokens that have pieces.

    forward (Forward): the forward function of the pooling.
    model (Pooling): the pooling.
    pieces (Ragged): vectors of the pieces of each token; the length is 0 for a token without pieces.
    RETURNS (Tuple[Floats2d, Callable]): the vectors of all tokens, shape (n_tokens, width), and the backprop.
    """
    has_pieces = pieces.lengths > 0
    if has_pieces.all():
        return forward(model, pieces, is_train)
    if not has_pieces.any():
        # `pieces.data` has no rows, but its shape holds the width.
        width = model.maybe_get_dim("nO") or pieces.data_shape[1]
        return model.ops.alloc2f(len(pieces.lengths), width), lambda d_vectors: pieces
    pooled, backprop_pooled = forward(model, Ragged(pieces.data, pieces.lengths[has_pieces]), is_train)
    vectors = model.ops.alloc2f(len(pieces.lengths), pooled.shape[1])
    vectors[has_pieces] = pooled

    def backprop(d_vectors: Floats2d) -> Ragged:
        d_pieces = backprop_pooled(cast(Floats2d, d_vectors[has_pieces]))
        return Ragged(d_pieces.data, pieces.lengths)

    return vectors, backprop

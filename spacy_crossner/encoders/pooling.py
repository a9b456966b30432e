"""One vector of a token's word pieces, and zeros for a token that has none."""

from functools import partial
from typing import Any, Callable, Tuple, cast

from thinc.api import Model
from thinc.types import Floats2d, Ragged

# The layer that makes token vectors of an encoder's pieces, in a listener and in an inline encoder.
POOLING = "trfs2arrays"

Pooling = Model[Ragged, Floats2d]
Forward = Callable[..., Tuple[Floats2d, Callable[[Floats2d], Ragged]]]


def guard_pooling(tok2vec: Model[Any, Any]) -> None:
    """Let the poolings in a layer give zeros for tokens without pieces, such as line breaks, and no gradient back.

    thinc's `reduce_first`, `reduce_last` and `reduce_max` refuse a batch in which there is one. What a pooling does is
    wrapped in place: a layer more would not fit saved pipelines.

    tok2vec (Model): a layer with poolings of word pieces in it, or without.
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

    forward (Forward): what the pooling does.
    model (Pooling): the pooling.
    pieces (Ragged): vectors of the pieces of each token; lengths of 0 for tokens without.
    RETURNS (Tuple[Floats2d, Callable]): the vectors of all tokens, shape (n_tokens, width), and the backprop.
    """
    has_pieces = pieces.lengths > 0
    if has_pieces.all():
        return forward(model, pieces, is_train)
    if not has_pieces.any():
        # Data of no rows has its width here alone.
        width = model.maybe_get_dim("nO") or pieces.data_shape[1]
        return model.ops.alloc2f(len(pieces.lengths), width), lambda d_vectors: pieces
    found, backprop_found = forward(model, Ragged(pieces.data, pieces.lengths[has_pieces]), is_train)
    vectors = model.ops.alloc2f(len(pieces.lengths), found.shape[1])
    vectors[has_pieces] = found

    def backprop(d_vectors: Floats2d) -> Ragged:
        d_pieces = backprop_found(cast(Floats2d, d_vectors[has_pieces]))
        return Ragged(d_pieces.data, pieces.lengths)

    return vectors, backprop

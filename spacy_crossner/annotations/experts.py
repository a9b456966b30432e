"""How much each entity expert counts for a token, `Token._.experts`: the gate of a mixture of entity experts."""

from typing import Dict, List, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc, Token

# A plain user_data key with arrays: docs go to bytes and into a DocBin with it.
EXPERTS_KEY = "experts"


def get_experts(doc: Doc) -> Optional[Tuple[List[str], NDArray[np.float32]]]:
    """Return the experts' names, "O" first, and how much each counts for each token, shape (n_tokens, n_experts).

    None where no component has left them: `moee_ner` does with `keep_experts = true`.
    """
    kept = doc.user_data.get(EXPERTS_KEY)
    return None if kept is None else (list(kept["names"]), kept["weights"])


def set_experts(doc: Doc, names: Sequence[str], weights: NDArray[np.float32]) -> None:
    """Leave on a doc what `get_experts` returns."""
    doc.user_data[EXPERTS_KEY] = {"names": list(names), "weights": weights}


def get_token_experts(token: Token) -> Optional[Dict[str, float]]:
    """Return how much each expert counts for a token; the values sum to 1."""
    found = get_experts(token.doc)
    if found is None:
        return None
    names, weights = found
    return dict(zip(names, weights[token.i].tolist(), strict=True))


def register_experts_extension() -> None:
    """Expose the experts as `Token._.experts`."""
    if not Token.has_extension("experts"):
        Token.set_extension("experts", getter=get_token_experts)

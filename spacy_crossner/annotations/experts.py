"""The weight of each entity expert for a token, `Token._.experts`: the gate of a mixture of entity experts."""

from typing import Dict, List, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc, Token

# A plain `user_data` key with arrays, which `Doc.to_bytes` and DocBin can store.
EXPERTS_KEY = "experts"


def get_experts(doc: Doc) -> Optional[Tuple[List[str], NDArray[np.float32]]]:
    """Return the experts' names, "O" first, and their weights for each token, shape (n_tokens, n_experts).

    None if no component has stored them; `moee_ner` stores them with `keep_experts = true`.
    """
    stored = doc.user_data.get(EXPERTS_KEY)
    return None if stored is None else (list(stored["names"]), stored["weights"])


def set_experts(doc: Doc, names: Sequence[str], weights: NDArray[np.float32]) -> None:
    """Store the experts' names and weights on a doc, see `get_experts`."""
    doc.user_data[EXPERTS_KEY] = {"names": list(names), "weights": weights}


def get_token_experts(token: Token) -> Optional[Dict[str, float]]:
    """Return the weight of each expert for a token; the weights sum to 1."""
    experts = get_experts(token.doc)
    if experts is None:
        return None
    names, weights = experts
    return dict(zip(names, weights[token.i].tolist(), strict=True))


def register_experts_extension() -> None:
    """Expose the experts as `Token._.experts`."""
    if not Token.has_extension("experts"):
        Token.set_extension("experts", getter=get_token_experts)

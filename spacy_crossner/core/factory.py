"""Arguments that all factories pass to spaCy: assigned attributes, score weights and the default config."""

from typing import Any, Dict, Optional

from .settings import default_settings

ASSIGNS = ["doc.ents", "token.ent_iob", "token.ent_type", "span._.score"]
SCORE_WEIGHTS = {"ents_f": 1.0, "ents_p": 0.0, "ents_r": 0.0, "ents_per_type": None}


def default_config(
    architecture: str, *, losses: Optional[Dict[str, str]] = None, neighbours: int = 1, **settings: Any
) -> Dict[str, Any]:
    """Return the default config of a factory. The architecture itself defines the defaults of its settings.

    architecture (str): registered name of the model's architecture, which takes a `tok2vec`.
    losses (Optional[Dict[str, str]]): registered names of further loss terms, beside the likelihood of the tags.
    neighbours (int): number of tokens on each side in the window of a convolution of the default `tok2vec`.
    settings (Any): see `default_settings`.
    """
    tok2vec = {
        "@architectures": "spacy.HashEmbedCNN.v2",
        "pretrained_vectors": None,
        "width": 96,
        "depth": 4,
        "embed_size": 2000,
        "window_size": neighbours,
        "maxout_pieces": 3,
        "subword_features": True,
    }
    terms = {"nll": "spacy_crossner.TagLikelihood.v1", **(losses or {})}
    return {
        **default_settings(**settings),
        "model": {"@architectures": architecture, "tok2vec": tok2vec},
        "losses": {name: {"@losses": term, "weight": 1.0} for name, term in terms.items()},
        "scorer": {"@scorers": "spacy.ner_scorer.v1"},
    }

"""Marks of a Doc: its domain (the kind of text, such as the name of its corpus), its language, its twin in a batch."""

from typing import Any, Dict, Optional

from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab

from .extensions import register_extension

# The key under which spaCy stores a custom attribute of a Doc, so that `doc._.domain` and our functions share a value.
ATTRIBUTE_KEY = ("._.", "domain", None, None)
# A second, plain key: `Span.as_doc` drops the custom attributes of a Doc.
DOMAIN_KEY = "domain"
PAIR_KEY = "pair"
LANGUAGE_KEY = "lang"


def get_domain(doc: Doc) -> Optional[str]:
    """Return the domain of a Doc; None for a Doc without a domain mark."""
    data: Dict[Any, Any] = doc.user_data
    domain: Optional[str] = data.get(ATTRIBUTE_KEY, data.get(DOMAIN_KEY))
    return domain


def set_domain(doc: Doc, domain: Optional[str]) -> None:
    """Mark a Doc with its domain; None removes the mark."""
    data: Dict[Any, Any] = doc.user_data
    for key in (ATTRIBUTE_KEY, DOMAIN_KEY):
        if domain is None:
            data.pop(key, None)
        else:
            data[key] = domain


def get_language(doc: Doc) -> Optional[str]:
    """Return the language whose tokenizer made a Doc; None if it is not known."""
    return doc.user_data.get(LANGUAGE_KEY)


def set_language(doc: Doc, lang: Optional[str]) -> None:
    """Mark a Doc with its language; None, or "" from a vocabulary without a language, removes the mark."""
    if lang:
        doc.user_data[LANGUAGE_KEY] = lang
    else:
        doc.user_data.pop(LANGUAGE_KEY, None)


def example_domain(example: Example) -> Optional[str]:
    """Return the domain of an example: the domain of its predicted doc or, if it has none, of its reference.

    spaCy's own corpus reader marks only the reference.
    """
    return get_domain(example.predicted) or get_domain(example.reference)


def get_pair(doc: Doc) -> Optional[int]:
    """Return the number that a Doc shares with its distorted twin in the batch; None for a Doc without a twin."""
    return doc.user_data.get(PAIR_KEY)


def set_pair(doc: Doc, pair: int) -> None:
    """Mark a Doc as one of a pair."""
    doc.user_data[PAIR_KEY] = pair


def without_annotation(doc: Doc, vocab: Vocab) -> Doc:
    """Return a new doc with the tokens, the domain and the language of `doc` and nothing else: a pipeline's input."""
    spaces = None if doc.has_unknown_spaces else [bool(token.whitespace_) for token in doc]
    copy = Doc(vocab, words=[token.text for token in doc], spaces=spaces)
    set_domain(copy, get_domain(doc))
    set_language(copy, get_language(doc))
    return copy


def register_domain_extension() -> None:
    """Expose the domain as `Doc._.domain`, readable and writable."""
    register_extension(Doc, DOMAIN_KEY, get_domain, set_domain)

"""Marks of a Doc: its domain (the corpus, and so the kind of text, it is from), its language, its twin in a batch."""

from typing import Optional

from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab

# A plain user_data key: `Span.as_doc` keeps it, where it drops the values of custom attributes.
DOMAIN_KEY = "domain"
PAIR_KEY = "pair"
LANGUAGE_KEY = "lang"


def get_domain(doc: Doc) -> Optional[str]:
    """Return the domain of a Doc, None where it has none."""
    return doc.user_data.get(DOMAIN_KEY)


def set_domain(doc: Doc, domain: Optional[str]) -> None:
    """Mark a Doc with its domain; None takes the mark away."""
    if domain is None:
        doc.user_data.pop(DOMAIN_KEY, None)
    else:
        doc.user_data[DOMAIN_KEY] = domain


def get_language(doc: Doc) -> Optional[str]:
    """Return the language whose tokenizer a Doc was made with, None where it is not known."""
    return doc.user_data.get(LANGUAGE_KEY)


def set_language(doc: Doc, lang: Optional[str]) -> None:
    """Mark a Doc with its language; None, or "" of a vocabulary without one, takes the mark away."""
    if lang:
        doc.user_data[LANGUAGE_KEY] = lang
    else:
        doc.user_data.pop(LANGUAGE_KEY, None)


def example_domain(example: Example) -> Optional[str]:
    """Return the domain of an example: its doc's, or else its annotated one's, which spaCy's own reader marks alone."""
    return get_domain(example.predicted) or get_domain(example.reference)


def get_pair(doc: Doc) -> Optional[int]:
    """Return the number that a Doc shares with its distorted twin in the batch, None where it has no twin."""
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
    if not Doc.has_extension("domain"):
        Doc.set_extension("domain", getter=get_domain, setter=set_domain)

"""A sentence, as every reader yields it, and its conversion to a Doc."""

from dataclasses import dataclass
from typing import List, Optional, Tuple

from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from ..annotations.domains import set_domain, set_language
from ..annotations.tags import TagSpan


@dataclass
class Sentence:
    """The words of a sentence and its entities.

    words (List[str]): the tokens.
    spans (Optional[List[TagSpan]]): the entities, in order and without overlap; None without annotation.
    line (int): its first line in the file, counted from 1 (in a DocBin: the number of the doc).
    spaces (Optional[List[bool]]): whether a space follows each token; None if that is not known.
    unannotated (Tuple[int, ...]): tokens without annotation in a sentence with annotation.
    document (int): the number of its document in the file; 0 if the file has no document marks.
    """

    words: List[str]
    spans: Optional[List[TagSpan]]
    line: int
    spaces: Optional[List[bool]] = None
    unannotated: Tuple[int, ...] = ()
    document: int = 0


def make_doc(vocab: Vocab, sentence: Sentence, domain: Optional[str]) -> Doc:
    """Build the gold Doc of a sentence.

    If spaces are not known, the Doc is built from its words only, and spaCy's `Corpus` keeps these tokens. Without
    annotation, the entities are not set, so that `get_aligned_ner` gives None for every token, as for unannotated
    tokens of other sentences.

    vocab (Vocab): the vocabulary, whose language the doc is marked with.
    sentence (Sentence): the sentence.
    domain (Optional[str]): the domain mark.
    RETURNS (Doc): the doc.
    """
    doc = Doc(vocab, words=sentence.words, spaces=sentence.spaces)
    if sentence.spans is not None:
        ents = [Span(doc, start, end, label=label) for start, end, label in sentence.spans]
        doc.set_ents(ents, missing=[doc[i : i + 1] for i in sentence.unannotated])
    set_domain(doc, domain)
    set_language(doc, vocab.lang)
    return doc


def read_doc(doc: Doc, number: int) -> Sentence:
    """Return a Doc as a sentence, the inverse of `make_doc`.

    doc (Doc): the doc.
    number (int): its place among the docs of its file, counted from 1.
    """
    # If all tokens have no annotation, the doc is unlabelled.
    spans = [(ent.start, ent.end, ent.label_) for ent in doc.ents] if doc.has_annotation("ENT_IOB") else None
    spaces = None if doc.has_unknown_spaces else [bool(token.whitespace_) for token in doc]
    unannotated = () if spans is None else tuple(token.i for token in doc if not token.ent_iob)
    return Sentence([token.text for token in doc], spans, number, spaces, unannotated)

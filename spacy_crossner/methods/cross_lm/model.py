"""The model of `param_gen_ner`."""

import re
from functools import partial
from typing import Any, Callable, Dict, List, Optional

import torch
from spacy.attrs import ORTH
from spacy.tokens import Doc
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ...annotations.domains import get_domain
from ...core.architecture import Tok2Vec, settings_of
from ...core.bridge import HeadModel, build_head_model
from ...data.normal_form import name_key
from .head import GeneratedTagger

DIGIT = re.compile(r"\d")


class DomainTable:
    """Computes the inputs of a head beside token vectors: domains of docs, and words for the language models.

    make (Callable): makes the torch module from token width, constraints, `n_domains` and `n_words`.
    domains (List[str]): the domains, in the order of their vectors.
    words (List[str]): the words of the language models, in their normal form, see `normal_form`.
    default (Optional[str]): domain assumed for docs without a domain or with an unknown one; None for the first domain.
    """

    def __init__(self, make: Callable[..., GeneratedTagger]) -> None:
        self.make = make
        self.domains: List[str] = []
        self.default: Optional[str] = None
        self.numbers: Dict[str, int] = {}
        # Word numbers by spaCy's hash of the word, which is the same in every vocabulary.
        self._by_hash: Dict[int, int] = {}

    @property
    def words(self) -> List[str]:
        """The words of the language models."""
        return list(self.numbers)

    @words.setter
    def words(self, words: List[str]) -> None:
        self.numbers = {word: i for i, word in enumerate(words)}
        self._by_hash = {}

    def make_head(self, width: int, allowed_starts: Tensor, allowed_transitions: Tensor) -> GeneratedTagger:
        """Make the torch module."""
        sizes = {"n_domains": len(self.domains), "n_words": len(self.numbers)}
        return self.make(width, allowed_starts, allowed_transitions, **sizes)

    def features(self, docs: List[Doc], is_train: bool, device: torch.device) -> Dict[str, Tensor]:
        """Return the domain of each doc and, in training, the number of each word, -1 for an unknown word."""
        features = {"domains": torch.tensor([self.number_of(doc) for doc in docs], device=device)}
        if is_train and self.numbers:
            rows = [torch.tensor([self.word_number(doc, orth) for orth in doc.to_array(ORTH).tolist()]) for doc in docs]
            features["words"] = pad_sequence(rows, batch_first=True, padding_value=-1).to(device)
        return features

    def word_number(self, doc: Doc, orth: int) -> int:
        """Return the number of a word by its hash, -1 for an unknown word; each word is normalised once."""
        if orth not in self._by_hash:
            self._by_hash[orth] = self.numbers.get(normal_form(doc.vocab.strings[orth]), -1)
        return self._by_hash[orth]

    def number_of(self, doc: Doc) -> int:
        """Return the index of the domain whose weights are used for a doc."""
        for domain in (get_domain(doc), self.default):
            if domain in self.domains:
                return self.domains.index(domain)
        return 0


def normal_form(word: str) -> str:
    """Return the form of a word in the language models: its `name_key`, with all digits as 0."""
    return DIGIT.sub("0", name_key(word) or word)


@settings_of(GeneratedTagger)
def build_param_gen_model(tok2vec: Tok2Vec, **settings: Any) -> HeadModel:
    """Build a BiLSTM with generated weights, with CRFs and language models, on token vectors.

    tok2vec (Model): a layer with one output row for each token: `spacy_crossner.WordVectors.v1` as in the paper, or any
        other.
    **settings (Any): see `GeneratedTagger`. The number of domains and of words comes from the `DomainTable`.
    """
    table = DomainTable(partial(GeneratedTagger, **settings))
    model = build_head_model(tok2vec, table.make_head, table.features)
    model.attrs["domain_table"] = table
    return model

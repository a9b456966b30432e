"""`param_gen_ner`: a BiLSTM with weights generated for each domain, and language models beside it."""

from typing import Any, Callable, Dict, Iterable, Optional, Sequence, Tuple

import torch
from spacy.language import Language
from spacy.training import Example
from thinc.api import Optimizer

from ...annotations.domains import example_domain, get_domain
from ...core.bridge import get_module, has_module
from ...core.component import SequenceNER
from ...core.factory import register_component
from ...errors import CrossnerError, Errors
from .head import GeneratedTagger
from .model import DomainTable

# The name of the one domain of a corpus without any.
NO_DOMAIN = "default"

MODEL = """
@architectures = "spacy_crossner.ParameterGeneration.v1"
hidden = 100
vector_width = 8
spread = 1.0
use_domains = true
use_tasks = true
share_output = true
use_crf = true
"""

LOSSES = """
[component.losses.language_model]
@losses = "spacy_crossner.LanguageModel.v1"
weight = 1.0
"""


class ParameterGeneratingEntityRecognizer(SequenceNER):
    """Entity recognizer with a parameter generation network and language models (Jia et al., 2019).

    A doc is tagged with the weights of its domain (`doc._.domain`). In training, docs without any annotation are text
    for the language model of their domain.

    domain (Optional[str]): the domain whose weights a doc gets that has none, or one that is not known; None for the
        first one.
    """

    def __init__(self, *args: Any, domain: Optional[str] = None, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.cfg.update(domains=[], words=[])
        self.domain = domain
        self._table.default = domain

    @property
    def _table(self) -> DomainTable:
        table: DomainTable = self.model.attrs["domain_table"]
        return table

    @property
    def domains(self) -> Tuple[str, ...]:
        """The domains, in the order of their vectors."""
        return tuple(self.cfg["domains"])

    def add_domain(self, domain: str) -> int:
        """Add a domain. On a trained component it begins with the mean of the vectors of those there are.

        domain (str): its name.
        RETURNS (int): 1 if it was added, 0 if it was there.
        """
        if domain in self.domains:
            return 0
        self.cfg["domains"] = [*self.domains, domain]
        self._table.domains = list(self.domains)
        if has_module(self.model):
            self._module.grow_domains(len(self.domains))
        return 1

    @property
    def _module(self) -> GeneratedTagger:
        module = get_module(self.model)
        assert isinstance(module, GeneratedTagger)
        return module

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Optional[Language] = None,
        labels: Optional[Sequence[str]] = None,
        domains: Optional[Sequence[str]] = None,
        words: Optional[Sequence[Tuple[str, int]]] = None,
    ) -> None:
        """Prepare the component for training; see `SequenceNER.initialize`.

        domains (Optional[Sequence[str]]): the domains; collected from the examples, in alphabetical order, if not
            given.
        words (Optional[Sequence[Tuple[str, int]]]): the words of the language models and how often each occurs, see
            `training.readers.corpus_words`; without them there is no language model.
        RAISES (CrossnerError): there is no label.
        """
        if domains is None:
            domains = sorted({get_domain(example.reference) or "" for example in get_examples()} - {""})
        names = list(dict.fromkeys([*self.domains, *domains])) or [self.domain or NO_DOMAIN]
        self.cfg.update(domains=names, words=[word for word, _ in words or []])
        self._fill_table()
        super().initialize(get_examples, nlp=nlp, labels=labels)
        if words and self._module.words is not None:
            counts = torch.tensor([float(count) for _, count in words])
            self._module.words.counts.copy_(counts)

    def _fill_table(self) -> None:
        self._table.domains = list(self.domains)
        self._table.words = self.cfg["words"]

    def update(self, examples: Iterable[Example], **settings: Any) -> Dict[str, float]:
        """Learn from a batch; see `SequenceNER.update`.

        RAISES (CrossnerError): a doc has a domain that the component does not know.
        """
        examples = list(examples)
        for example in examples:
            domain = example_domain(example)
            if domain is not None and domain not in self.domains and NO_DOMAIN not in self.domains:
                known = ", ".join(self.domains)
                raise CrossnerError(Errors.C049.format(name=self.name, domain=domain, domains=known))
        return super().update(examples, **settings)

    def finish_update(self, sgd: Optimizer) -> None:
        """Update the weights; see `SequenceNER.finish_update`. What was generated of the old ones is dropped."""
        super().finish_update(sgd)
        self._module.encoder.forget()

    def _load_model(self, data: bytes) -> None:
        # The module has the sizes of the table.
        self._fill_table()
        super()._load_model(data)


# A language model finds the words beside its own: where their vectors have seen these there is nothing to find.
make_param_gen_ner = register_component(
    "param_gen_ner", ParameterGeneratingEntityRecognizer, MODEL, losses=LOSSES, neighbours=0, domain=None
)

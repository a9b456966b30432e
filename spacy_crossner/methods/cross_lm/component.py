"""`param_gen_ner`: a BiLSTM with weights generated for each domain, and language models beside it."""

from typing import Any, Callable, Dict, Iterable, Optional, Sequence, Tuple

import torch
from spacy.language import Language
from spacy.training import Example
from spacy.vocab import Vocab
from thinc.api import Optimizer

from ...annotations.domains import example_domain, get_domain
from ...core.bridge import HeadModel, get_module, has_module
from ...core.component import SequenceNER
from ...core.factory import ASSIGNS, SCORE_WEIGHTS, default_config
from ...errors import CrossnerError, Errors
from .head import GeneratedTagger
from .model import DomainTable

# The name of the only domain, for a corpus without domain marks.
NO_DOMAIN = "default"
LOSSES = {"language_model": "spacy_crossner.LanguageModel.v1"}
# The language model predicts the neighbours of a word. A contextual layer would leak the words to predict.
NEIGHBOURS = 0


class ParameterGeneratingEntityRecognizer(SequenceNER):
    """Entity recognizer with a parameter generation network and language models (Jia et al., 2019).

    A doc is tagged with the weights of its domain (`doc._.domain`). In training, docs without any annotation are text
    for the language model of their domain.

    domain (Optional[str]): domain assumed for docs without one, or with an unknown one; None for the first domain.
    settings (Any): see `SequenceNER`.
    """

    def __init__(self, vocab: Vocab, model: HeadModel, name: str, *, domain: Optional[str], **settings: Any) -> None:
        super().__init__(vocab, model, name, **settings)
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
        """Add a domain. In a trained component, its vector is initialized with the mean of the existing vectors.

        domain (str): the name of the domain.
        RETURNS (int): 1 if it was added, 0 if it exists already.
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

        domains (Optional[Sequence[str]]): the domains. If not given, they are collected from the examples, in
            alphabetical order.
        words (Optional[Sequence[Tuple[str, int]]]): the words of the language models with their frequencies, see
            `training.readers.corpus_words`. None for no language model.
        RAISES (CrossnerError): no labels were given and the examples hold no entity.
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
        """Update the weights; see `SequenceNER.finish_update`. Generated weights are dropped."""
        super().finish_update(sgd)
        self._module.encoder.forget()

    def load_model(self, data: bytes) -> None:
        """Load saved weights; see `SequenceNER`."""
        # The sizes of the module depend on the table.
        self._fill_table()
        super().load_model(data)


@Language.factory(
    "param_gen_ner",
    assigns=ASSIGNS,
    default_config=default_config(
        "spacy_crossner.ParameterGeneration.v1", losses=LOSSES, neighbours=NEIGHBOURS, domain=None
    ),
    default_score_weights=SCORE_WEIGHTS,
)
def make_param_gen_ner(
    nlp: Language,
    name: str,
    model: HeadModel,
    losses: Dict[str, Any],
    scorer: Optional[Callable[..., Dict[str, Any]]],
    decoding: str,
    preset_ents: str,
    threshold: Optional[float],
    candidates_key: Optional[str],
    candidates_floor: float,
    window: int,
    overlap: int,
    domain: Optional[str],
) -> SequenceNER:
    """Make the component; see `ParameterGeneratingEntityRecognizer`, and `DecodingSettings` for shared settings."""
    return ParameterGeneratingEntityRecognizer(
        nlp.vocab,
        model,
        name,
        losses=losses,
        scorer=scorer,
        decoding=decoding,
        preset_ents=preset_ents,
        threshold=threshold,
        candidates_key=candidates_key,
        candidates_floor=candidates_floor,
        window=window,
        overlap=overlap,
        domain=domain,
    )

"""A corpus reader for several domains, labelled or unlabelled."""

import random
from collections import Counter
from pathlib import Path
from typing import Any, Collection, Dict, Iterator, List, Optional, Sequence, Tuple, TypeVar

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab

from ..annotations.domains import get_domain, set_domain, without_annotation
from ..annotations.soft_labels import copy_soft_labels
from ..data.augmenters import replace_mentions
from ..data.docbin import check_language, read_docbin
from ..data.subsets import draw_subset
from ..data.tokenizing import blank_pipeline, bounded
from ..errors import CrossnerError, Errors
from ..methods.cross_lm.model import normal_form
from ..text.raw import read_text_lines

ROLES = ("labelled", "unlabelled")
Row = TypeVar("Row")


def corpus_labels(domains: Dict[str, Dict[str, Any]]) -> List[str]:
    """Return the labels of all labelled docs, for `[initialize.components.<name>.labels]`, in alphabetical order.

    spaCy initializes a component with the first 100 examples of a stream only, which may lack a label.

    domains (Dict[str, Dict]): the blocks of a `DomainReader`.
    """
    vocab = Vocab()
    blocks = [block for block in domains.values() if block.get("path") and block.get("role") != "unlabelled"]
    return sorted({ent.label_ for block in blocks for doc in read_docbin(block["path"], vocab) for ent in doc.ents})


def corpus_domains(domains: Dict[str, Dict[str, Any]]) -> List[str]:
    """Return the domains of all docs, for `[initialize.components.<name>.domains]`, in the order of the blocks.

    domains (Dict[str, Dict]): the blocks of a `DomainReader`.
    """
    names: List[str] = []
    for name, block in DomainReader(whole_blocks(domains)).domains.items():
        path, given = Path(block["path"]), block.get("domain")
        if given or path.suffix != ".spacy":
            names.append(given or name)
        else:
            names += [get_domain(doc) or name for doc in read_docbin(path, Vocab())]
    return list(dict.fromkeys(names))


def corpus_words(
    domains: Dict[str, Dict[str, Any]], most: int = 30000, least: int = 2, lang: str = "en"
) -> List[Tuple[str, int]]:
    """Return the words of all docs by frequency, for `[initialize.components.<name>.words]`.

    domains (Dict[str, Dict]): the blocks of a `DomainReader`. All docs are counted, even with `sample`.
    most (int): maximum number of words.
    least (int): minimum frequency of a word.
    lang (str): the pipeline's language, for the tokenizer.
    RETURNS (List[Tuple[str, int]]): normalized words (see `normal_form`) and their frequencies.
    """
    counts: Counter[str] = Counter()
    for example in DomainReader(whole_blocks(domains))(blank_pipeline(lang)):
        counts.update(normal_form(token.text) for token in example.reference)
    return [(word, count) for word, count in counts.most_common(most) if count >= least]


def whole_blocks(domains: Dict[str, Dict[str, Any]], *, keep_limit: bool = False) -> Dict[str, Dict[str, Any]]:
    """Return the blocks without sampling, upsampling and mention replacement, and without their limits unless kept."""
    partial = ("sample", "upsample", "replace_mentions", *([] if keep_limit else ["limit"]))
    return {name: {key: value for key, value in block.items() if key not in partial} for name, block in domains.items()}


class DomainReader:
    """Reads examples of several domains from DocBins (registered as a reader for `[corpora]`).

    Every example has its domain and its soft labels on the reference doc and on the predicted doc, and keeps the gold
    tokens. The domain is the one stored in the DocBin, or else the name of the block.

    domains (Dict[str, Dict]): one block for each domain, with the keys
        path (Optional[str]): the DocBin. A block with a null or empty path is ignored. Unlabelled text may also be a
            text file (plain or .gz) with one sentence per line, which the pipeline tokenizes.
        role (str): "labelled" (default) or "unlabelled", which removes the annotation.
        domain (Optional[str]): the domain of the docs; replaces the stored domain.
        sample (int): number of docs in a pass, sampled anew for each pass; 0 (default) for all.
        upsample (int): number of copies of each doc in a pass, 1 by default. Joint training uses it for small targets.
        replace_mentions (float): probability that an entity is replaced by another entity with the same label and
            domain, 0 by default; see `replace_mentions`. Replacements differ between passes if `max_epochs = -1`.
        limit (int): replaces `limit` for this block.
    shuffle (bool): shuffle the docs of all domains together in each pass. spaCy does not do it if `max_epochs = -1`.
    seed (int): random seed of the shuffle, of samples and of replacements.
    limit (int): maximum number of docs of each domain; 0 for all. The subset is drawn by its seed, stratified over
        entity types (see `draw_subset`); it is the same in each pass. Unlabelled docs are drawn at random.
    subset_seed (Optional[int]): random seed of the subset; None for `seed`.
    RAISES (CrossnerError): no block has a path, or a block has an invalid setting; when called, if a DocBin and the
        pipeline have different languages.
    """

    def __init__(
        self,
        domains: Dict[str, Dict[str, Any]],
        shuffle: bool = False,
        seed: int = 0,
        limit: int = 0,
        subset_seed: Optional[int] = None,
    ) -> None:
        self.domains = {name: block for name, block in domains.items() if block.get("path")}
        if limit < 0:
            raise CrossnerError(Errors.C016.format(limit=limit))
        if not self.domains:
            raise CrossnerError(Errors.C006.format(names=", ".join(domains)))
        for name, block in self.domains.items():
            wrong = bool(set(block) - {"path", "role", "domain", "sample", "upsample", "replace_mentions", "limit"})
            for key, default, least in (("upsample", 1, 1), ("sample", 0, 0), ("limit", 0, 0)):
                wrong |= not isinstance(block.get(key, default), int) or block.get(key, default) < least
            wrong |= not 0 <= block.get("replace_mentions", 0) <= 1
            if wrong or block.get("role", "labelled") not in ROLES:
                raise CrossnerError(Errors.C007.format(name=name, block=block, roles=" or ".join(ROLES)))
        self.shuffle = shuffle
        self.limit = limit
        self.subset_seed = seed if subset_seed is None else subset_seed
        self.random = random.Random(seed)

    def __call__(self, nlp: Language) -> Iterator[Example]:
        """Yield the examples of one pass over all domains."""
        examples: List[Example] = []
        for name, block in self.domains.items():
            docs = self._read(name, block, nlp)
            for _ in range(block.get("upsample", 1)):
                drawn = replace_mentions(docs, block.get("replace_mentions", 0), self.random)
                examples.extend(_make_example(doc, nlp) for doc in drawn)
        if self.shuffle:
            self.random.shuffle(examples)
        yield from examples

    def _read(self, name: str, block: Dict[str, Any], nlp: Language) -> List[Doc]:
        """Return the docs of a block for one pass."""
        path, unlabelled, size = Path(block["path"]), block.get("role") == "unlabelled", block.get("sample", 0)
        limit = block.get("limit", self.limit)
        if unlabelled and path.suffix != ".spacy":
            lines = read_text_lines(path)
            lines = self._draw(self._limited(lines, [()] * len(lines), limit), size)
            docs = list(map(bounded(nlp.tokenizer), lines))
        else:
            docs = read_docbin(path, nlp.vocab)
            types = [() if unlabelled else {ent.label_ for ent in doc.ents} for doc in docs]
            docs = self._draw(self._limited(docs, types, limit), size)
            check_language(docs, path, str(nlp.lang))
            if unlabelled:
                docs = [without_annotation(doc, nlp.vocab) for doc in docs]
        for doc in docs:
            set_domain(doc, block.get("domain") or get_domain(doc) or name)
        return docs

    def _limited(self, rows: List[Row], types: Sequence[Collection[str]], limit: int) -> List[Row]:
        return draw_subset(rows, types, limit, self.subset_seed) if limit else rows

    def _draw(self, rows: List[Row], size: int) -> List[Row]:
        return self.random.sample(rows, size) if 0 < size < len(rows) else rows


def _make_example(doc: Doc, nlp: Language) -> Example:
    predicted = without_annotation(doc, nlp.vocab)
    copy_soft_labels(doc, predicted)
    return Example(predicted, doc)

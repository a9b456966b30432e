"""A corpus of several domains, each labelled or not."""

import random
from typing import Any, Dict, Iterator, List

from spacy.language import Language
from spacy.training import Example

from ..data.docbin import read_docbin
from ..domains import get_domain, set_domain, without_annotation
from ..errors import CrossnerError, Errors

ROLES = ("labelled", "unlabelled")


class DomainReader:
    """Reads examples of several domains from DocBins (registered as a reader for `[corpora]`).

    Every example carries its domain on the reference and on the predicted doc, and keeps the gold tokens. The mark is
    the one that the DocBin was written with, else the block's name.

    domains (Dict[str, Dict]): a block a domain, with the keys
        path (Optional[str]): the DocBin; a block whose path is null or empty is passed over.
        role (str): "labelled" (default), or "unlabelled": the annotation is left out.
        upsample (int): how often each doc comes in a pass, 1 by default; joint training balances a small target so.
    shuffle (bool): mix the docs of all domains anew in each pass, which spaCy does not do at `max_epochs = -1`.
    seed (int): seed of the shuffle.
    limit (int): docs of each domain at most; 0 for all.
    RAISES (CrossnerError): no block has a path, or a block has a wrong setting.
    """

    def __init__(
        self, domains: Dict[str, Dict[str, Any]], shuffle: bool = False, seed: int = 0, limit: int = 0
    ) -> None:
        self.domains = {name: block for name, block in domains.items() if block.get("path")}
        if limit < 0:
            raise CrossnerError(Errors.C016.format(limit=limit))
        if not self.domains:
            raise CrossnerError(Errors.C006.format(names=", ".join(domains)))
        for name, block in self.domains.items():
            wrong = set(block) - {"path", "role", "upsample"}
            upsample = block.get("upsample", 1)
            wrong_upsample = not isinstance(upsample, int) or upsample < 1
            if wrong or wrong_upsample or block.get("role", "labelled") not in ROLES:
                raise CrossnerError(Errors.C007.format(name=name, block=block, roles=" or ".join(ROLES)))
        self.shuffle = shuffle
        self.limit = limit
        self.random = random.Random(seed)

    def __call__(self, nlp: Language) -> Iterator[Example]:
        """Yield the examples of one pass over all domains."""
        examples: List[Example] = []
        for name, block in self.domains.items():
            docs = read_docbin(block["path"], nlp.vocab)[: self.limit or None]
            if block.get("role") == "unlabelled":
                docs = [without_annotation(doc, nlp.vocab) for doc in docs]
            for doc in docs:
                set_domain(doc, get_domain(doc) or name)
            copies = block.get("upsample", 1)
            examples.extend(Example(without_annotation(doc, nlp.vocab), doc) for _ in range(copies) for doc in docs)
        if self.shuffle:
            self.random.shuffle(examples)
        yield from examples

"""Self-training: label text with a pipeline, to train another pipeline or the same one on it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, Iterator, List, Optional, Sequence

from spacy.language import Language
from spacy.tokens import Doc, Span

from ..annotations.domains import get_domain, get_language, set_domain, set_language, without_annotation
from ..annotations.scores import get_score
from ..data.docbin import read_docbin, write_docbin
from ..data.files import check_output
from ..data.tokenizing import bounded
from ..errors import CrossnerError, Errors
from ..text.excluded import read_excluded
from ..text.raw import read_text_lines


@dataclass
class LabelledText:
    """A labelled text, with counts of sentences and entities.

    docs (List[Doc]): the kept sentences.
    n_read (int): number of sentences read.
    n_certain (int): number of annotated entities in the kept sentences.
    n_uncertain (int): number of entities below the threshold in the kept sentences. Their tokens have no annotation.
    n_excluded (int): number of sentences left out because they contain a sentence of a dev or test set.
    """

    docs: List[Doc]
    n_read: int
    n_certain: int = 0
    n_uncertain: int = 0
    n_excluded: int = 0


def read_texts(paths: Sequence[Path], nlp: Language) -> List[Doc]:
    """Read docs without annotation from DocBins or from text (plain or .gz) with one sentence per line."""
    return [doc for path in paths for doc in _read_text(path, nlp)]


def _read_text(path: Path, nlp: Language) -> List[Doc]:
    if path.suffix == ".spacy":
        return [without_annotation(doc, nlp.vocab) for doc in read_docbin(path, nlp.vocab)]
    # Not `nlp.make_doc`, which rejects texts of a million characters.
    return list(map(bounded(nlp.tokenizer), read_text_lines(path)))


def label_docs(nlp: Language, docs: Iterable[Doc], threshold: float) -> Iterator[Doc]:
    """Annotate docs with the entities whose score reaches a threshold.

    Tokens of entities below the threshold get no annotation. All other tokens outside of entities are annotated as O.

    nlp (Language): a pipeline whose entities have scores.
    docs (Iterable[Doc]): docs without annotation.
    threshold (float): minimum score of an entity.
    RAISES (CrossnerError): an entity has no score.
    """
    for doc in nlp.pipe(docs):
        certain: List[Span] = []
        uncertain: List[Span] = []
        for ent in doc.ents:
            score = get_score(ent)
            if score is None:
                raise CrossnerError(Errors.C052.format(entity=ent.text))
            (certain if score >= threshold else uncertain).append(ent)
        labelled = without_annotation(doc, nlp.vocab)
        spans = [
            [Span(labelled, ent.start, ent.end, label=ent.label_) for ent in group] for group in (certain, uncertain)
        ]
        labelled.set_ents(spans[0], missing=spans[1], default="outside")
        yield labelled


def label_files(
    nlp: Language,
    text: Sequence[Path],
    output: Path,
    *,
    threshold: float = 0.9,
    domain: Optional[str] = None,
    exclude: Sequence[Path] = (),
) -> LabelledText:
    """Label text with a pipeline and write it as a DocBin for training.

    Sentences without an entity that reaches the threshold are left out.

    nlp (Language): the pipeline.
    text (Sequence[Path]): see `read_texts`.
    output (Path): the DocBin to write.
    threshold (float): see `label_docs`.
    domain (Optional[str]): domain of the docs. If not given, the docs keep their own domain.
    exclude (Sequence[Path]): dev and test files. Docs that contain one of their sentences are left out, see `Excluded`.
    RAISES (CrossnerError): a file cannot be read or written, or no sentence is left; or see `label_docs` and
        `check_output`.
    """
    check_output(Path(output), [Path(path) for path in (*text, *exclude)], docbin=True)
    docs = read_texts([Path(path) for path in text], nlp)
    result = LabelledText([], len(docs))
    if exclude:
        excluded_rows = set(read_excluded([Path(path) for path in exclude]).holding([doc.text for doc in docs]))
        docs = [doc for i, doc in enumerate(docs) if i not in excluded_rows]
        result.n_excluded = len(excluded_rows)
    for source, doc in zip(docs, label_docs(nlp, docs, threshold), strict=True):
        if not doc.ents:
            continue
        set_domain(doc, domain or get_domain(source))
        set_language(doc, get_language(source) or nlp.lang)
        result.docs.append(doc)
        result.n_certain += len(doc.ents)
        # `ent_iob` is 0 for a token without annotation.
        result.n_uncertain += sum(not token.ent_iob and (not token.i or doc[token.i - 1].ent_iob > 0) for token in doc)
    if not result.docs:
        names = ", ".join(map(str, text))
        raise CrossnerError(Errors.C053.format(text=names, threshold=threshold))
    write_docbin(result.docs, Path(output))
    return result

"""Train sub-word vectors (floret) on raw text, for spaCy's `[initialize] vectors`."""

from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Mapping, Optional, Sequence

import floret
import numpy as np
from spacy.language import Language
from spacy.training.initialize import convert_vectors
from spacy.util import make_tempdir
from spacy.vocab import Vocab

from ..data.docbin import check_language, read_docbin
from ..data.faults import UNREADABLE, Faults
from ..data.files import read_lines, reason
from ..data.tokenizing import blank_pipeline, bounded
from ..errors import CrossnerError, Errors
from ..fingerprints import PACKAGES, RECORD, is_up_to_date, text_digest, version_fingerprint, write_record
from ..storage.locks import only_writer
from ..storage.outputs import check_replaceable
from .checkpoint import new_folder

ARCHITECTURES = ("skipgram", "cbow")
WORDS_AT_ONCE = 10_000


def train_vectors(
    texts: Sequence[Path],
    output: Path,
    *,
    lang: str = "en",
    architecture: str = "skipgram",
    width: int = 100,
    buckets: int = 50_000,
    min_ngram: int = 3,
    max_ngram: int = 6,
    min_count: int = 5,
    epochs: int = 5,
    threads: int = 1,
) -> Optional[int]:
    """Train floret vectors on raw text and save them as a pipeline without components.

    Every word gets a vector, even if it is not in the text: the mean of the vectors of its n-grams. Each n-gram is
    hashed to two rows of a table of fixed size.

    texts (Sequence[Path]): text files (plain or .gz) with one sentence or paragraph per line, or DocBins (`.spacy`).
        Annotation is ignored.
    output (Path): the output folder, written completely or not at all.
    lang (str): the language of the tokenizer.
    architecture (str): "skipgram" or "cbow".
    width (int): width of the vectors.
    buckets (int): number of rows of the table.
    min_ngram (int): minimum n-gram length in characters. The whole word is always included.
    max_ngram (int): maximum n-gram length in characters.
    min_count (int): minimum frequency of a training word.
    epochs (int): passes over the text.
    threads (int): number of threads. Results are only reproducible with 1.
    RETURNS (Optional[int]): number of tokens in the text; None if the vectors are already up to date.
    RAISES (CrossnerError): a file cannot be read or has another language, no word is frequent enough, a setting is
        invalid, or another process writes to the folder.
    """
    sizes = (width, buckets, min_ngram, min_count, epochs, threads)
    if architecture not in ARCHITECTURES or min(sizes) < 1 or max_ngram < min_ngram:
        raise CrossnerError(Errors.C032.format(known=" or ".join(ARCHITECTURES)))
    settings = {"lang": lang, "architecture": architecture, "width": width, "buckets": buckets, "min_ngram": min_ngram}
    settings.update(max_ngram=max_ngram, min_count=min_count, epochs=epochs, threads=threads)
    with only_writer(output), _named_write_errors(output):
        fingerprint = {name: str(value) for name, value in settings.items()}
        fingerprint.update({f"the text {path}": text_digest(path) for path in texts})
        fingerprint.update(version_fingerprint((*PACKAGES, "floret")))
        if is_up_to_date(output, fingerprint):
            return None
        check_replaceable(output, {RECORD, "config.cfg", "vocab"}.issubset, "one of vectors that this command has made")
        nlp = blank_pipeline(lang)
        with make_tempdir() as folder:
            corpus, table = folder / "corpus.txt", folder / "vectors.floret"
            counts: Counter[str] = Counter()
            with corpus.open("w", encoding="utf8") as file:
                for words in tokenize(texts, nlp):
                    counts.update(words)
                    file.write(" ".join(words) + "\n")
            try:
                model = floret.train_unsupervised(
                    str(corpus),
                    model=architecture,
                    mode="floret",
                    hashCount=2,
                    bucket=buckets,
                    dim=width,
                    minn=min_ngram,
                    maxn=max_ngram,
                    minCount=min_count,
                    epoch=epochs,
                    thread=threads,
                    verbose=0,
                )
            except (RuntimeError, ValueError) as error:
                names = ", ".join(map(str, texts))
                raise CrossnerError(Errors.C033.format(texts=names, count=min_count, problem=error)) from error
            model.save_floret_vectors(str(table))
            convert_vectors(nlp, table, truncate=0, prune=-1, mode="floret")
        scale_vectors(nlp.vocab, counts)
        with new_folder(output) as temporary:
            nlp.to_disk(temporary)
            write_record(temporary, fingerprint, [path.name for path in temporary.iterdir()])
    return counts.total()


@contextmanager
def _named_write_errors(output: Path) -> Iterator[None]:
    """Turn file system errors, also about temporary files, into errors that the user can act on."""
    try:
        yield
    except OSError as error:
        raise CrossnerError(Errors.C034.format(path=output, error=reason(error))) from error


def scale_vectors(vocab: Vocab, counts: Mapping[str, int]) -> None:
    """Scale the table so that the components of the word vectors have a mean square of 1.

    The mean is weighted by word frequency. Without scaling, vectors from little text are so small that an encoder does
    not learn from them.
    """
    total, squares = 0, 0.0
    words = sorted(counts)
    for start in range(0, len(words), WORDS_AT_ONCE):
        batch = words[start : start + WORDS_AT_ONCE]
        vectors = vocab.vectors.get_batch(batch)
        frequencies = np.array([counts[word] for word in batch])
        squares += float((frequencies * (vectors.astype(np.float64) ** 2).mean(axis=1)).sum())
        total += int(frequencies.sum())
    if squares:
        vocab.vectors.data *= np.float32((total / squares) ** 0.5)


def tokenize(texts: Sequence[Path], nlp: Language) -> Iterator[Sequence[str]]:
    """Yield the words of each line of the texts, as tokenized by the pipeline.

    RAISES (DataError): a file cannot be read or is not UTF-8.
    """
    tokenizer = bounded(nlp.tokenizer)
    for path in texts:
        if path.is_dir():
            raise Faults(path).error(UNREADABLE, None, "a folder")
        if path.suffix == ".spacy":
            read = read_docbin(path, nlp.vocab)
            check_language(read, path, str(nlp.lang))
            docs = iter(read)
        else:
            docs = (tokenizer(line) for _, line in read_lines(Faults(path)))
        for doc in docs:
            # White space separates the words of the corpus file, so remove it from words.
            words = ["".join(token.text.split()) for token in doc if not token.is_space]
            if words:
                yield words

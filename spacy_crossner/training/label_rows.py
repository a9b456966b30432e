"""Where the output rows of new labels point to: to the vectors of their gold words, and of their names."""

import re
from typing import List, Sequence, Tuple

import numpy as np
import torch
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import minibatch
from torch import Tensor, nn

from ..annotations.words import WordBatch, see_words
from ..core.alignment import gold_tags
from ..core.bridge import get_device
from ..core.component import SequenceNER
from ..core.encoding import predict_words
from ..data.subsets import draw_subset
from ..encoders.listening import find_listeners
from ..encoders.word_encoder import to_device
from ..threads import use_ops_of

# Maximum number of docs whose words are encoded.
MOST_DOCS = 1000
DOCS_AT_ONCE = 64


def label_directions(
    nlp: Language, pipe: SequenceNER, examples: Sequence[Example], name_share: float, seed: int
) -> Tuple[Tensor, Tensor]:
    """Return the directions of the tags of all labels, and the mean vector of a word.

    The direction of a tag is (1 - name_share) u / |u| + name_share v / |v|. u is the mean vector of its gold words,
    minus the mean vector of all words. If only one of B-X and I-X has gold words, its mean serves both. v is the mean
    vector of the words of the label's name, minus the mean of this over all labels. Without gold words, it is v / |v|.

    nlp (Language): the pipeline, for an encoder in another component.
    pipe (SequenceNER): the component. Its encoder runs as in prediction.
    examples (Sequence[Example]): the training data. Of more than 1000 docs a subset is drawn; see `draw_subset`.
    name_share (float): share of the name, in [0, 1].
    seed (int): the seed of the subset.
    RETURNS (Tuple[Tensor, Tensor]): B and I of each label in order, float64, shape (2 * n_labels, width), and float64,
        shape (width,).
    """
    types = [{ent.label_ for ent in example.reference.ents} for example in examples]
    means, counts, mean = _mean_vectors(nlp, pipe, draw_subset(examples, types, MOST_DOCS, seed))
    # For each tag the other one of its label.
    other = torch.arange(len(counts), device=counts.device) ^ 1
    seen = counts > 0
    mentions = torch.where(seen.unsqueeze(1), means, means[other]) - mean
    names = _name_vectors(nlp, pipe)
    names = (names - names.mean(dim=0)).repeat_interleave(2, dim=0)
    shares = torch.where(seen | seen[other], name_share, 1.0).unsqueeze(1)
    unit = nn.functional.normalize
    return (1 - shares) * unit(mentions, dim=1) + shares * unit(names, dim=1), mean


def label_words(label: str) -> List[str]:
    """Return the words of a label's name in lower case: TaskName, task_name and task-name are "task" and "name"."""
    text = ""
    for before, char, after in zip(f" {label}", label, f"{label[1:]} ", strict=False):
        follows = before.islower() or before.isdigit() or (before.isupper() and after.islower())
        text += f" {char}" if char.isupper() and follows else char
    return re.findall(r"[^\W_]+", text.lower()) or [label]


def _mean_vectors(nlp: Language, pipe: SequenceNER, examples: Sequence[Example]) -> Tuple[Tensor, Tensor, Tensor]:
    """Return the mean vectors and the numbers of the gold words of each tag but O, and the mean vector of all words.

    RETURNS (Tuple[Tensor, Tensor, Tensor]): float64, shapes (2 * n_labels, width), (2 * n_labels,) and (width,); a tag
        without gold words has the vector 0.
    """
    device, n_tags = get_device(pipe.model), 2 * len(pipe.labels)
    # The last row is that of all words.
    sums = torch.zeros(n_tags + 1, pipe.model.get_dim("nI"), dtype=torch.float64, device=device)
    counts = sums.new_zeros(n_tags + 1)
    for batch in minibatch(examples, size=DOCS_AT_ONCE):
        words, vectors = _encode(nlp, pipe, [example.predicted for example in batch])
        tags = [gold_tags(*pair, pipe.labels) for pair in zip(batch, words, strict=True)]
        # O and words without annotation have index 0. A product gives the same sums each time, on a GPU too.
        indices = to_device(np.concatenate(tags), device).clamp(min=0)
        of_tags = nn.functional.one_hot(indices, n_tags + 1).double().roll(-1, dims=1)
        of_tags[:, -1] = 1.0
        sums += of_tags.T @ vectors
        counts += of_tags.sum(dim=0)
    means = sums / counts.clamp(min=1).unsqueeze(1)
    return means[:-1], counts[:-1], means[-1]


def _name_vectors(nlp: Language, pipe: SequenceNER) -> Tensor:
    """Return the mean vector of the words of each label's name, float64, shape (n_labels, width)."""
    docs = [Doc(nlp.vocab, words=label_words(label)) for label in pipe.labels]
    words, vectors = _encode(nlp, pipe, docs)
    return torch.stack([of_name.mean(dim=0) for of_name in vectors.split(words.lengths.tolist())])


@torch.no_grad()
def _encode(nlp: Language, pipe: SequenceNER, docs: List[Doc]) -> Tuple[WordBatch, Tensor]:
    """Return the words of docs and their vectors as in prediction, float64, shape (n_words, width)."""
    listeners = find_listeners(pipe.model)
    for _, other in nlp.components:
        if any(node is listener for node in getattr(other, "listeners", []) for listener in listeners):
            other.set_annotations(docs, other.predict(docs))  # type: ignore[attr-defined]
    words = see_words(docs)
    if not len(words.columns):
        return words, torch.zeros(0, pipe.model.get_dim("nI"), dtype=torch.float64, device=get_device(pipe.model))
    with use_ops_of(pipe.model):
        vectors = predict_words(pipe.model.get_ref("tok2vec"), words, get_device(pipe.model))
    return words, vectors.double()

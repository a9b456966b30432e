"""The letter case of words, as an input of an uncased encoder.

The case of a word is packed into the ids of its word pieces: id + case * size of the vocabulary. So batches,
windows and exported encoders carry it along, and only the first layer of the encoder knows of it.
"""

from typing import cast

from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

# Of a word without capitals, with a capital first, of capitals, of another mixture, and with one letter, a capital.
LOWER, TITLE, UPPER, MIXED, SINGLE = range(5)
N_CASES = 5
# Words that most vocabularies have.
PROBES = ("a", "the", "new", "paris")


def case_of(word: str) -> int:
    """Return the letter case of a word. Characters other than letters do not count."""
    letters = [character for character in word if character.isalpha()]
    if not any(letter != letter.lower() for letter in letters):
        return LOWER
    if len(letters) == 1:
        return SINGLE
    if all(letter == letter.upper() for letter in letters):
        return UPPER
    return TITLE if "".join(letters[1:]).islower() else MIXED


def ignores_case(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Return whether a tokenizer gives the same word pieces in any letter case, as that of an uncased encoder."""
    known = 0
    for word in PROBES:
        forms = {tuple(tokenizer(form)["input_ids"]) for form in (word.lower(), word.capitalize(), word.upper())}
        if len(forms) > 1:
            return False
        # A word that the vocabulary lacks in every form says nothing.
        known += tokenizer.unk_token_id not in next(iter(forms))
    return known > 0


class CaseEmbedding(nn.Module):
    """Word embeddings of an encoder, plus a vector for the letter case. The vectors are 0 at first.

    words (nn.Module): the word embeddings of the encoder.
    """

    def __init__(self, words: nn.Module) -> None:
        super().__init__()
        self.words = words
        # shape: (n_tokens of the vocabulary, width)
        weight = self.weight
        self.cases = nn.Embedding(N_CASES, weight.shape[1], device=weight.device, dtype=weight.dtype)
        nn.init.zeros_(self.cases.weight)

    @property
    def weight(self) -> Tensor:
        """The word embeddings, as transformers expects of this layer."""
        return cast(Tensor, self.words.weight)

    def forward(self, ids: Tensor) -> Tensor:
        """Return the vectors of word pieces, shape (..., width).

        ids (Tensor): ids of word pieces that include the case of their word, as above, int64, shape (...).
        """
        size = len(self.weight)
        vectors: Tensor = self.words(ids % size) + self.cases(ids // size)
        return vectors


def add_case(model: PreTrainedModel) -> None:
    """Let an encoder take the letter case of words. It is changed in place."""
    words = model.get_input_embeddings()
    if not isinstance(words, CaseEmbedding):
        model.set_input_embeddings(CaseEmbedding(words))


def case_step(model: nn.Module) -> int:
    """Return what one step of the letter case adds to the id of a word piece: 0 if the encoder takes no case."""
    words = model.get_input_embeddings() if isinstance(model, PreTrainedModel) else None
    return len(words.weight) if isinstance(words, CaseEmbedding) else 0

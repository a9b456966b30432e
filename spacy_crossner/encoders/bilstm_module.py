"""The torch module of `bilstm.py`: static vectors, characters, and a BiLSTM above them."""

from typing import List, Optional

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from .recurrent import run_bilstm

# Number of rows of the character table that code points share, by their remainder. Row 0 is padding.
CHARACTERS = 1024


class CharacterCNN(nn.Module):
    """Convolution over the characters of a word, and the maximum over its positions (Ma and Hovy, 2016).

    width (int): width of the character vectors.
    filters (int): width of the output.
    """

    def __init__(self, width: int, filters: int) -> None:
        super().__init__()
        self.table = nn.Embedding(CHARACTERS + 1, width, padding_idx=0)
        self.convolution = nn.Conv1d(width, filters, kernel_size=3, padding=1)

    def forward(self, characters: Tensor) -> Tensor:
        """Return the features of words, shape (n_words, filters).

        characters (Tensor): see `encode_characters`, shape (n_words, n_characters).
        """
        features = self.convolution(self.table(characters).transpose(1, 2))
        return features.masked_fill((characters == 0).unsqueeze(1), -torch.inf).amax(dim=2)


def encode_characters(words: List[str], most: int) -> Tensor:
    """Return the rows of the character table for words, 0 at padding, shape (n_words, n_characters).

    words (List[str]): the words.
    most (int): maximum number of characters; of a longer word the first and the last `most // 2` are taken.
    """
    half = most // 2
    cut = [word if len(word) <= most else word[:half] + word[-half:] for word in words]
    # An empty word has one character.
    rows = torch.zeros(len(cut), max(1, *map(len, cut)), dtype=torch.long)
    for row, word in zip(rows, cut, strict=True):
        row[: len(word)] = torch.tensor([1 + ord(character) % CHARACTERS for character in word])
        if not word:
            row[0] = 1
    return rows


class WordEncoder(nn.Module):
    """Vectors of words, features of their characters, and a BiLSTM above.

    vector_width (int): width of the static vectors; 0 for none.
    table_rows (int): rows of the table of tuned vectors; 0 if `forward` gets the vectors, which are not trained.
    hidden (int): width of each direction of the BiLSTM.
    depth (int): layers of the BiLSTM; 0 for no BiLSTM.
    dropout (float): dropout of its input and between its layers.
    character_width (int): width of the character vectors.
    character_filters (int): width of the words' character features; 0 for none.
    """

    def __init__(
        self,
        vector_width: int,
        table_rows: int,
        *,
        hidden: int,
        depth: int,
        dropout: float,
        character_width: int,
        character_filters: int,
    ) -> None:
        super().__init__()
        self.vector_width = vector_width
        self.dropout = nn.Dropout(dropout)
        self.table: Optional[nn.EmbeddingBag] = None
        if table_rows:
            self.table = nn.EmbeddingBag(table_rows, vector_width, mode="mean")
        self.characters = CharacterCNN(character_width, character_filters) if character_filters else None
        width = vector_width + character_filters
        self.lstm: Optional[nn.LSTM] = None
        if depth:
            between = dropout if depth > 1 else 0.0
            self.lstm = nn.LSTM(width, hidden, depth, batch_first=True, bidirectional=True, dropout=between)
        else:
            # Saved, so that the width of vectors that are not part of the state is known when it is loaded.
            self.register_buffer("input_width", torch.tensor(width))

    def forward(
        self,
        words: Tensor,
        lengths: Tensor,
        *,
        vectors: Optional[Tensor] = None,
        rows: Optional[Tensor] = None,
        offsets: Optional[Tensor] = None,
        characters: Optional[Tensor] = None,
    ) -> Tensor:
        """Encode docs.

        words (Tensor): the index of each token's word among the distinct words, all docs in order, shape (n_tokens,).
        lengths (Tensor): tokens of each doc, 1 or more, on the CPU, shape (n_docs,).
        vectors (Optional[Tensor]): vectors of the distinct words, shape (n_words, vector_width).
        rows (Optional[Tensor]): with tuned vectors, the rows of the table whose mean is the vector of a word, one word
            after the other.
        offsets (Optional[Tensor]): index of the first row of each word, shape (n_words,).
        characters (Optional[Tensor]): see `encode_characters`.
        RETURNS (Tensor): shape (n_tokens, 2 * hidden), or (n_tokens, width of the input) without a BiLSTM.
        """
        features = [] if vectors is None else [vectors]
        if self.table is not None:
            features = [self.table(rows, offsets)]
        if self.characters is not None and characters is not None:
            features.append(self.characters(characters))
        # shape: (n_tokens, width)
        flat = torch.cat(features, dim=1).index_select(0, words)
        if self.lstm is None:
            inputs: Tensor = self.dropout(flat)
            return inputs
        rows = pad_sequence(self.dropout(flat).split(lengths.tolist()), batch_first=True)
        dropout, training = self.lstm.dropout, self.training
        states = run_bilstm(self.lstm.all_weights, rows, lengths, dropout=dropout, training=training)
        mask = torch.arange(states.shape[1]) < lengths.unsqueeze(1)
        return states[mask.to(states.device)]

import pytest
import torch

from spacy_crossner.encoders.bilstm_module import CharacterCNN, WordEncoder, encode_characters

LENGTHS = torch.tensor([3, 1, 5])
N_WORDS = 6


@pytest.fixture
def words():
    return torch.tensor([0, 1, 2, 2, 5, 4, 3, 0, 1])


def make_encoder(width=4, table_rows=0, **settings):
    torch.manual_seed(0)
    sizes = {"hidden": 3, "depth": 2, "dropout": 0.0, "character_width": 5, "character_filters": 0, **settings}
    return WordEncoder(width, table_rows, **sizes).double()


def cell_by_cell(lstm, layer, rows, suffix=""):
    """Return the outputs of a direction of a layer for one sequence, from the equations of an LSTM."""
    weight_in, weight_on, bias_in, bias_on = (
        getattr(lstm, f"{name}_l{layer}{suffix}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    hidden = cell = torch.zeros(lstm.hidden_size, dtype=rows.dtype)
    found = []
    for row in rows:
        taken, kept, candidate, shown = (weight_in @ row + bias_in + weight_on @ hidden + bias_on).chunk(4)
        cell = kept.sigmoid() * cell + taken.sigmoid() * candidate.tanh()
        hidden = shown.sigmoid() * cell.tanh()
        found.append(hidden)
    return torch.stack(found)


def test_each_doc_is_read_from_both_ends_and_never_its_padding(words):
    encoder = make_encoder()
    vectors = torch.randn(N_WORDS, 4, dtype=torch.float64)
    slow = []
    for doc in words.split(LENGTHS.tolist()):
        rows = vectors[doc]
        for layer in range(2):
            onward = cell_by_cell(encoder.lstm, layer, rows)
            back = cell_by_cell(encoder.lstm, layer, rows.flip(0), "_reverse").flip(0)
            rows = torch.cat([onward, back], dim=1)
        slow.append(rows)
    torch.testing.assert_close(encoder(words, LENGTHS, vectors=vectors), torch.cat(slow), rtol=0, atol=1e-12)


def test_a_tuned_vector_is_the_mean_of_its_rows_and_learns(words):
    encoder = make_encoder(table_rows=7)
    bags = [[0, 1], [2], [], [3, 3, 4], [5], [6, 0]]
    rows = torch.tensor([row for bag in bags for row in bag])
    offsets = torch.tensor([0, 2, 3, 3, 6, 7])
    table = encoder.table.weight
    vectors = torch.stack([table[bag].mean(0) if bag else torch.zeros_like(table[0]) for bag in bags])
    output = encoder(words, LENGTHS, rows=rows, offsets=offsets)
    torch.testing.assert_close(output, plain(encoder, words, vectors))
    output.sum().backward()
    assert table.grad.any(dim=1).all()


def plain(encoder, words, vectors):
    """Return the output for given vectors of an encoder that has a table."""
    other = make_encoder()
    other.load_state_dict({name: value for name, value in encoder.state_dict().items() if name != "table.weight"})
    return other(words, LENGTHS, vectors=vectors)


def test_character_features_are_the_maximum_over_windows_of_three():
    torch.manual_seed(0)
    cnn = CharacterCNN(5, 4).double()
    texts = ["ab", "Zürich", "x", "東京"]
    features = cnn(encode_characters(texts, 40))
    for text, found in zip(texts, features, strict=True):
        rows = [cnn.table.weight[1 + ord(character) % 1024] for character in text]
        edge = torch.zeros(5, dtype=torch.float64)
        windows = [torch.stack([*trio], dim=1) for trio in zip([edge, *rows], rows, [*rows[1:], edge], strict=False)]
        slow = [(cnn.convolution.weight * window).sum(dim=(1, 2)) + cnn.convolution.bias for window in windows]
        torch.testing.assert_close(found, torch.stack(slow).amax(0), rtol=0, atol=1e-12)


def test_of_a_long_word_both_ends_are_seen():
    rows = encode_characters(["abcdefgh", "", "abc"], 4)
    texts = ["".join(chr(row - 1) for row in word if row) for word in rows.tolist()]
    assert texts == ["abgh", "\0", "abc"]
    assert rows.shape == (3, 4)


def test_padding_row_of_the_characters_stays_out_of_the_features():
    cnn = CharacterCNN(5, 4)
    alone = cnn(encode_characters(["ab"], 40))
    beside = cnn(encode_characters(["ab", "a much longer word"], 40))
    torch.testing.assert_close(alone[0], beside[0])

import copy
import warnings
from itertools import pairwise

import numpy as np
import pytest
import spacy
import torch
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.util import registry
from spacy_transformers.span_getters import configure_get_doc_spans, configure_strided_spans
from thinc.api import reduce_mean
from tokenizers import ByteLevelBPETokenizer
from transformers import AutoModel, AutoTokenizer, RobertaConfig, RobertaModel, RobertaTokenizerFast

from spacy_crossner.encoders import pieces as pieces_module
from spacy_crossner.encoders.piece_windows import PieceWindows, cut_tokens
from spacy_crossner.encoders.pieces import PieceTokenizer
from spacy_crossner.encoders.transformer import build_tok2vec_transformer, build_transformer_model
from spacy_crossner.errors import CrossnerError

VOCAB = spacy.blank("en").vocab
# Two word pieces a sign.
LONG_TOKEN = "a-" * 400
ODD_TEXTS = [
    "",
    "   ",
    " \n\n\t ",
    "한국어 문장 " * 30,
    "ﷺ ﷻ " * 40,
    "İstanbul'da e\u0301te\u0301 🏳️‍🌈👩‍👩‍👧 zero\u200bwidth \u200d \ufeff " * 8,
    "[SEP] [CLS] [PAD] [MASK] </s> " * 20,
    "\u0000 \u0001 \ud7ff \U0010ffff " * 30,
    "don't-stop.it's/all(one)thing" * 30,
]


def make_doc(words, sentences=None):
    """Return a doc; sentences: the first token of each."""
    starts = None if sentences is None else [i in sentences for i in range(len(words))]
    return Doc(VOCAB, words=words, sent_starts=starts)


def make_words(n, seed=0):
    generator = np.random.default_rng(seed)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    return ["".join(generator.choice(letters, generator.integers(1, 9))) for _ in range(n)]


def make_encoder(folder, get_spans=None, **settings):
    tokenizer = settings.pop("tokenizer_config", {"use_fast": True})
    model = build_transformer_model(str(folder), get_spans or PieceWindows(), tokenizer, **settings)
    model.initialize()
    return model


def bounds(spans):
    return [(span.start, span.end) for span in spans]


def pool(output, n=0):
    """Return the token vectors of doc n, as a listener makes them."""
    data = output.doc_data[n]
    hidden = data.model_output.last_hidden_state.reshape((-1, data.width))
    rows = np.split(data.align.dataXd, np.cumsum(data.align.lengths)[:-1])
    return np.array([hidden[part].mean(axis=0) if len(part) else np.zeros(data.width, "f") for part in rows])


def vectors_by_hand(folder, doc, windows, maximum=64):
    """Return the token vectors of a doc as a tensor, one window after the other with transformers alone."""
    tokenizer, encoder = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    best = [(-1, None)] * len(doc)
    for start, end in windows:
        span = doc[start:end]
        pieces = tokenizer(span.text, return_offsets_mapping=True, verbose=False)
        *ids, last = pieces["input_ids"]
        hidden = encoder(torch.tensor([[*ids[: maximum - 1], last]])).last_hidden_state[0]
        for token in span:
            first = token.idx - span.start_char
            rows = [
                row
                for row, (a, b) in enumerate(pieces["offset_mapping"][: maximum - 1])
                if max(a, first) < min(b, first + len(token.text_with_ws))
            ]
            context = min(token.i - start, end - 1 - token.i)
            if context > best[token.i][0]:
                best[token.i] = (context, hidden[rows].mean(dim=0) if rows else hidden.new_zeros(hidden.shape[1]))
    return torch.stack([vector for _, vector in best])


def assert_by_hand(folder, model, doc, maximum=64):
    output = model.predict([doc])
    with torch.no_grad():
        expected = vectors_by_hand(folder, doc, bounds(output.spans[0]), maximum).numpy()
    np.testing.assert_allclose(pool(output), expected, atol=2e-6)
    return expected


@pytest.mark.parametrize(("pieces", "overlap"), [(0, 0), (-1, 0), (8, 8), (8, 9), (8, -1)])
def test_settings_out_of_range_are_refused(pieces, overlap):
    with pytest.raises(CrossnerError, match="C025"):
        PieceWindows(pieces, overlap)


def test_max_pieces_out_of_range_is_refused(tiny_encoder):
    with pytest.raises(CrossnerError, match="C026"):
        make_encoder(tiny_encoder, max_pieces=0)


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=40),
    st.integers(1, 20),
    st.integers(0, 19),
    st.integers(0, 3),
)
def test_cut_tokens(pieces, limit, overlap, start):
    overlap, start = min(overlap, limit - 1), min(start, len(pieces) - 1)
    windows = cut_tokens(pieces, start, len(pieces), limit, overlap)
    assert {i for first, end in windows for i in range(first, end)} == set(range(start, len(pieces)))
    for first, end in windows:
        assert sum(pieces[first:end]) <= limit or end - first == 1
        # As long as can be.
        assert end == len(pieces) or sum(pieces[first : end + 1]) > limit
    for (first, end), (next_first, next_end) in pairwise(windows):
        assert first < next_first <= end < next_end
        shared = sum(pieces[next_first:end])
        assert shared <= overlap
        # As much as can be.
        if next_first > first + 1:
            more = shared + pieces[next_first - 1]
            assert more > overlap or more + pieces[end] > limit


def test_cut_tokens_by_hand():
    assert cut_tokens([1] * 10, 0, 10, 4, 2) == [(0, 4), (2, 6), (4, 8), (6, 10)]
    assert cut_tokens([1, 1, 9, 1, 1], 0, 5, 4, 2) == [(0, 2), (2, 3), (3, 5)]
    assert cut_tokens([2, 2, 4, 2], 0, 4, 4, 2) == [(0, 2), (2, 3), (3, 4)]
    assert cut_tokens([2, 1, 1, 3], 1, 4, 4, 3) == [(1, 3), (2, 4)]


def test_a_doc_that_fits_is_one_window(tiny_encoder):
    docs = [make_doc(["ada"] * 60, {0, 20, 40}), make_doc([]), make_doc(["the", "lab"]), make_doc(["ada"] * 62)]
    spans = make_encoder(tiny_encoder).predict(docs).spans
    assert [bounds(part) for part in spans] == [[(0, 60)], [], [(0, 2)], [(0, 62)]]


def test_short_docs_give_what_the_strided_windows_gave(tiny_encoder):
    docs = [make_doc(make_words(n, n)) for n in (1, 5, 9)]
    ours = make_encoder(tiny_encoder).predict(docs)
    theirs = make_encoder(tiny_encoder, configure_strided_spans(128, 96)).predict(docs)
    assert ours.wordpieces.strings == theirs.wordpieces.strings
    assert ours.align.dataXd.tolist() == theirs.align.dataXd.tolist()
    assert torch.equal(ours.model_output.last_hidden_state, theirs.model_output.last_hidden_state)


def test_windows_are_made_of_whole_sentences(tiny_encoder):
    # 20 sentences of 10 words of one piece: 4 to a window of 44 pieces.
    doc = make_doc(["ada"] * 200, set(range(0, 200, 10)))
    (spans,) = make_encoder(tiny_encoder, PieceWindows(44, 12)).predict([doc]).spans
    assert bounds(spans) == [(start, start + 40) for start in range(0, 200, 40)]


def test_only_a_sentence_that_does_not_fit_is_cut(tiny_encoder):
    doc = make_doc(["ada"] * 60, {0, 5, 10, 30, 40, 45})
    (spans,) = make_encoder(tiny_encoder, PieceWindows(12, 4)).predict([doc]).spans
    inside = [(10, 22), (18, 30)]
    assert bounds(spans) == [(0, 10), *inside, (30, 40), (40, 45), (45, 57), (53, 60)]


def test_a_first_sentence_without_pieces(tiny_encoder):
    doc = Doc(VOCAB, words=["\n", *["ada"] * 80], sent_starts=[True, True, *[False] * 39, True, *[False] * 39])
    (spans,) = make_encoder(tiny_encoder).predict([doc]).spans
    assert bounds(spans) == [(0, 40), (40, 80)]


def test_windows_without_sentences_overlap_and_keep_the_limit(tiny_encoder):
    doc = make_doc(make_words(300))
    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder)
    (spans,) = make_encoder(tiny_encoder, PieceWindows(40, 10)).predict([doc]).spans
    lengths = [len(tokenizer.tokenize(span.text)) for span in spans]
    assert max(lengths) <= 40
    assert min(lengths[:-1]) > 30
    shared = [len(tokenizer.tokenize(doc[b.start : a.end].text)) for a, b in pairwise(spans)]
    assert max(shared) <= 10
    assert min(shared) > 0


def test_the_encoders_maximum_bounds_the_window(tiny_encoder):
    doc = make_doc(["ada"] * 400)
    output = make_encoder(tiny_encoder, PieceWindows(100, 50)).predict([doc])
    # 62 beside the two special tokens; the overlap in proportion.
    assert bounds(output.spans[0])[:2] == [(0, 62), (31, 93)]
    assert output.wordpieces.input_ids.shape[1] == 64


def test_without_a_tokenizer_a_character_counts_as_a_piece():
    getter = PieceWindows(10, 2)
    (short, empty, long) = getter([make_doc(["ada", "met"]), make_doc([]), make_doc(["ada", "x", "lab", "y", "paris"])])
    assert (bounds(short), bounds(empty), bounds(long)) == ([(0, 2)], [], [(0, 4), (3, 5)])


@pytest.mark.filterwarnings("ignore:.W001")
@pytest.mark.parametrize("name", ["strided", "doc", "pieces"])
def test_a_token_of_800_pieces_takes_nothing_from_the_others(tiny_encoder, name):
    getters = {"strided": configure_strided_spans(128, 96), "doc": configure_get_doc_spans(), "pieces": PieceWindows()}
    model = make_encoder(tiny_encoder, getters[name])
    doc = make_doc([*make_words(60), LONG_TOKEN, *make_words(60, seed=1)])
    expected = assert_by_hand(tiny_encoder, model, doc)
    (spans,) = model.predict([doc]).spans
    assert np.abs(expected).max(axis=1).min() > 0.1
    assert (60, 61) in bounds(spans)


@pytest.mark.filterwarnings("ignore:.W001")
def test_a_window_of_a_few_tokens_is_cut_too(tiny_encoder):
    model = make_encoder(tiny_encoder, configure_get_doc_spans())
    doc = make_doc(["ada", LONG_TOKEN, "met"])
    assert_by_hand(tiny_encoder, model, doc)
    assert bounds(model.predict([doc]).spans[0]) == [(0, 1), (1, 2), (2, 3)]


@pytest.mark.parametrize("getter", [PieceWindows(), configure_get_doc_spans()])
def test_what_counting_misses_is_cut_all_the_same(tiny_encoder, monkeypatch, getter):
    monkeypatch.setattr(PieceTokenizer, "count", lambda self, docs: [[0] * len(doc) for doc in docs])
    model = make_encoder(tiny_encoder, getter)
    doc = make_doc(["ada"] * 200)
    (spans,) = model.predict([doc]).spans
    assert bounds(spans) == [(start, start + 50) for start in range(0, 200, 50)]
    assert_by_hand(tiny_encoder, model, doc)


def test_the_warning_counts_and_comes_once_a_call(tiny_encoder):
    model = make_encoder(tiny_encoder)
    docs = [make_doc(["ada", LONG_TOKEN, "met"]), make_doc([]), make_doc([LONG_TOKEN + "b"])]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.predict(docs)
    (message,) = [str(warning.message) for warning in caught]
    # With two special tokens, of 64: 738 of 800 pieces, 739 of 801.
    assert "[W001] Of 2 token(s)" in message
    assert "the last 1477 piece(s)" in message


def test_no_warning_where_all_is_seen(tiny_encoder):
    model = make_encoder(tiny_encoder)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # 62 pieces: as many as there is room for.
        model.predict([make_doc(["ada", "a-" * 31, "met"]), make_doc(make_words(500))])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("use_fast", [True, False])
@pytest.mark.parametrize("name", ["strided", "doc", "pieces"])
def test_a_long_doc_is_encoded_whole(tiny_encoder, name, use_fast):
    getters = {"strided": configure_strided_spans(128, 96), "doc": configure_get_doc_spans(), "pieces": PieceWindows()}
    model = make_encoder(tiny_encoder, getters[name], tokenizer_config={"use_fast": use_fast})
    assert model.tokenizer.is_fast == use_fast
    doc = make_doc(make_words(5000 if use_fast and name == "pieces" else 500))
    expected = assert_by_hand(tiny_encoder, model, doc)
    assert np.abs(expected).max(axis=1).min() > 0.1


def test_docs_in_a_batch_do_not_touch_each_other(tiny_encoder):
    for getter in (PieceWindows(), configure_get_doc_spans()):
        model = make_encoder(tiny_encoder, getter)
        docs = [make_doc(make_words(n, n)) for n in (3, 0, 200, 1, 0, 90)]
        together = model.predict(docs)
        assert [len(doc) for doc in docs] == [len(data.align.lengths) for data in together.doc_data]
        for i in (0, 2, 3, 5):
            np.testing.assert_allclose(pool(together, i), pool(model.predict([docs[i]])), atol=2e-6)


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_odd_texts(tiny_encoder, text):
    nlp = spacy.blank("en")
    doc = nlp.make_doc(text)
    for getter in (PieceWindows(), PieceWindows(8, 3), configure_strided_spans(128, 96)):
        model = make_encoder(tiny_encoder, getter)
        output = model.predict([doc, nlp.make_doc("ada met")])
        assert len(output.doc_data[0].align.lengths) == len(doc)
        assert output.wordpieces.input_ids.shape[1] <= 64
        if len(doc):
            assert {token.i for span in output.spans[0] for token in span} == set(range(len(doc)))
            assert_by_hand(tiny_encoder, model, doc)


def test_docs_without_tokens_alone(tiny_encoder):
    output = make_encoder(tiny_encoder).predict([make_doc([]), make_doc([])])
    assert [len(data.align.lengths) for data in output.doc_data] == [0, 0]


@pytest.mark.parametrize("settings", [{}, {"output_hidden_states": True, "output_attentions": True}])
def test_chunks_give_what_one_pass_gives(tiny_encoder, settings):
    if settings:
        settings = {**settings, "attn_implementation": "eager"}
    model = make_encoder(tiny_encoder, transformer_config=settings)
    docs = [make_doc(make_words(n, n)) for n in (3, 0, 150, 1, 7, 90)]
    shim = model.layers[0].shims[0]
    outputs = {}
    for shim.max_pieces in (1, 100, 10**9):
        outputs[shim.max_pieces] = model.predict(docs)
    whole = outputs.pop(10**9)
    mask = whole.wordpieces.attention_mask.astype(bool)
    assert mask.shape[0] > 10
    for output in outputs.values():
        assert list(output.model_output) == list(whole.model_output)
        for name, expected in whole.model_output.items():
            found = output.model_output[name]
            pairs = zip(found, expected, strict=True) if isinstance(expected, tuple) else [(found, expected)]
            for a, b in pairs:
                assert (a.shape, a.dtype) == (b.shape, b.dtype)
                if a.dim() == 3:
                    a, b = a[mask], b[mask]
                elif a.dim() == 4:
                    a, b = (x.transpose(1, 2)[mask] for x in (a, b))
                torch.testing.assert_close(a, b, rtol=0, atol=2e-6)
        for i in range(len(docs)):
            if len(docs[i]):
                np.testing.assert_allclose(pool(output, i), pool(whole, i), atol=2e-6)


def test_less_than_a_chunk_is_one_pass(tiny_encoder, monkeypatch):
    model = make_encoder(tiny_encoder)
    docs = [make_doc(make_words(n, n)) for n in (3, 5, 7)]
    sizes = []
    forward = model.transformer.forward

    def record(**kwargs):
        sizes.append(tuple(kwargs["input_ids"].shape))
        return forward(**kwargs)

    monkeypatch.setattr(model.transformer, "forward", record)
    output = model.predict(docs)
    pieces = output.wordpieces
    assert sizes == [pieces.input_ids.shape]
    with torch.no_grad():
        direct = AutoModel.from_pretrained(tiny_encoder).eval()(
            input_ids=torch.tensor(pieces.input_ids), attention_mask=torch.tensor(pieces.attention_mask)
        )
    assert torch.equal(output.model_output.last_hidden_state, direct.last_hidden_state)

    sizes.clear()
    model.layers[0].shims[0].max_pieces = 256
    n_windows = len(model.predict([make_doc(make_words(2000))]).wordpieces)
    assert n_windows > 100
    assert sum(rows for rows, _ in sizes) == n_windows
    assert max(rows * width for rows, width in sizes) <= 256


def test_a_longer_doc_needs_no_more_than_its_chunk(tiny_encoder, monkeypatch):
    """What the encoder holds at once: the windows in its hands, whatever the doc's length."""
    model = make_encoder(tiny_encoder, max_pieces=128)
    largest = []
    layer = model.transformer.encoder.layer[0]
    layer.register_forward_hook(lambda module, inputs, output: largest.append(inputs[0].numel()))
    seen = []
    for n in (100, 1000):
        model.predict([make_doc(make_words(n))])
        seen.append(max(largest))
        largest.clear()
    assert seen[0] == seen[1] <= 128 * 16


def test_training_runs_all_windows_at_once(tiny_encoder):
    quiet = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    doc = make_doc(make_words(150))
    model = build_tok2vec_transformer(
        str(tiny_encoder), PieceWindows(), reduce_mean(), transformer_config=quiet, max_pieces=1
    )
    model.initialize(X=[doc])
    (vectors,), backprop = model.begin_update([doc])
    weight = np.random.default_rng(0).normal(size=vectors.shape).astype("f")
    backprop([weight])
    encoder = model.layers[0].layers[0]
    found = {name: p.grad for name, p in encoder.transformer.named_parameters() if p.grad is not None}

    windows = bounds(encoder.predict([doc]).spans[0])
    assert len(windows) > 5
    by_hand = AutoModel.from_pretrained(tiny_encoder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AutoModel, "from_pretrained", lambda folder: by_hand)
        expected = vectors_by_hand(tiny_encoder, doc, windows)
    (expected * torch.tensor(weight)).sum().backward()
    np.testing.assert_allclose(vectors, expected.detach(), atol=2e-6)
    gradients = {name: p.grad for name, p in by_hand.named_parameters() if p.grad is not None}
    assert len(gradients) > 30
    for name, gradient in gradients.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=1e-4)


@pytest.fixture(scope="module")
def roberta(tmp_path_factory):
    """Give the folder of a RoBERTa with random weights: byte-level BPE, no known maximum but its 64 + 2 positions."""
    folder = tmp_path_factory.mktemp("roberta")
    trainer = ByteLevelBPETokenizer()
    text = " ".join(make_words(300, seed=7)) + " ada met grace in paris the lab"
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer.train_from_iterator([text], vocab_size=400, special_tokens=special, show_progress=False)
    trainer.save_model(str(folder))
    tokenizer = RobertaTokenizerFast(str(folder / "vocab.json"), str(folder / "merges.txt"))
    config = RobertaConfig(
        vocab_size=trainer.get_vocab_size(),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=66,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = RobertaModel(config)
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    return folder


@pytest.mark.filterwarnings("error")
def test_bytes_and_positions_of_a_roberta(roberta):
    assert AutoTokenizer.from_pretrained(roberta).model_max_length > 10**20
    for getter in (PieceWindows(), configure_get_doc_spans()):
        model = make_encoder(roberta, getter)
        for doc in (make_doc(make_words(200)), make_doc(["한국어", "🏳️‍🌈", "ada's", "naïve"] * 30)):
            output = model.predict([doc])
            assert 48 < output.wordpieces.input_ids.shape[1] <= 64
            assert_by_hand(roberta, model, doc)


def test_a_long_token_of_bytes(roberta):
    model = make_encoder(roberta)
    doc = make_doc(["ada", "🏳️‍🌈" * 50, "met"])
    with pytest.warns(UserWarning, match=r"W001.*Of 1 token"):
        output = model.predict([doc])
    assert bounds(output.spans[0]) == [(0, 1), (1, 2), (2, 3)]
    assert output.doc_data[0].align.lengths.tolist()[1] == 62


def test_pieces_are_counted_with_the_space_before(roberta):
    tokenizer = AutoTokenizer.from_pretrained(roberta)
    doc = spacy.blank("en").make_doc("ada met ada.paris")
    (counts,) = PieceTokenizer(tokenizer, 64).count([doc])
    expected = []
    for token in doc:
        text = (" " if token.i and doc[token.i - 1].whitespace_ else "") + token.text
        expected.append(len(tokenizer.tokenize(text)))
    assert counts == expected
    # Which is not the same.
    words = make_words(300, seed=7)
    assert any(len(tokenizer.tokenize(" " + word)) != len(tokenizer.tokenize(word)) for word in words)


class CountingTokenizer:
    """A tokenizer that keeps the texts of each call."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.calls = []

    def __call__(self, texts, **settings):
        self.calls.append(texts)
        return self.tokenizer(texts, **settings)

    def __getattr__(self, name):
        return getattr(self.tokenizer, name)


def test_words_are_counted_once_and_all_in_one_call(tiny_encoder):
    tokenizer = CountingTokenizer(AutoTokenizer.from_pretrained(tiny_encoder))
    pieces = PieceTokenizer(tokenizer, 64)
    getter = PieceWindows(30, 5)
    short = [make_doc(["ada", "met"]), make_doc([]), make_doc(["paris"] * 4)]
    getter.cut(short, pieces)
    # That these fit shows without counting.
    assert tokenizer.calls == []
    docs = [make_doc(make_words(50, seed)) for seed in (1, 2)]
    first = getter.cut([*docs, *short], pieces)
    (texts,) = tokenizer.calls
    assert sorted(texts) == sorted({" " * (t.i > 0) + t.text for doc in docs for t in doc})
    again = getter.cut([*docs, *short], pieces)
    assert len(tokenizer.calls) == 1
    assert [bounds(spans) for spans in again] == [bounds(spans) for spans in first]


def test_the_words_kept_are_bounded(tiny_encoder, monkeypatch):
    monkeypatch.setattr(pieces_module, "CACHED_PIECE_COUNTS", 100)
    pieces = PieceTokenizer(AutoTokenizer.from_pretrained(tiny_encoder), 64)
    for start in range(0, 1000, 90):
        doc = make_doc([str(i) for i in range(start, start + 90)])
        (counts,) = pieces.count([doc])
        assert counts == [len(token) for token in doc]
        assert len(pieces._counts) <= 100 + 90


def test_counting_is_not_disturbed_by_other_counting_in_its_midst(tiny_encoder, monkeypatch):
    # As from another thread, at the time when the words that are kept are too many.
    monkeypatch.setattr(pieces_module, "CACHED_PIECE_COUNTS", 10)
    tokenizer = CountingTokenizer(AutoTokenizer.from_pretrained(tiny_encoder))
    pieces = PieceTokenizer(tokenizer, 64)
    pieces.count([make_doc(["ada"])])
    plain = tokenizer.tokenizer

    def disturbed(texts, **settings):
        tokenizer.tokenizer = plain
        for start in (0, 50):
            pieces.count([make_doc([str(i) for i in range(start, start + 50)])])
        return plain(texts, **settings)

    tokenizer.tokenizer = disturbed
    assert pieces.count([make_doc(["ada", "x"])]) == [[1, 1]]


def make_pipeline(folder, get_spans=None):
    """Return the encoder and a tagger that listens to it."""
    nlp = spacy.blank("en")
    spans = get_spans or {"@span_getters": "spacy_crossner.PieceWindows.v1", "pieces": 40, "overlap": 10}
    encoder = {"@architectures": "spacy_crossner.TransformerModel.v1", "name": str(folder), "get_spans": spans}
    nlp.add_pipe("transformer", config={"model": {**encoder, "max_pieces": 100}})
    pooling = {"pooling": {"@layers": "reduce_mean.v1"}, "grad_factor": 1.0}
    listener = {"@architectures": "spacy-transformers.TransformerListener.v1", **pooling}
    tagger = nlp.add_pipe("tagger", config={"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": listener}})
    for label in ("A", "B", "C"):
        tagger.add_label(label)
    nlp.initialize()
    return nlp


def scores(nlp):
    """Return the tagger's scores of a long doc and of an odd one; all pipes before it run."""
    docs = [nlp.make_doc(" ".join(make_words(300))), nlp.make_doc("ada met"), nlp.make_doc("  ")]
    if nlp.has_pipe("transformer"):
        docs = list(nlp.get_pipe("transformer").pipe(docs))
    return np.concatenate(nlp.get_pipe("tagger").model.predict(docs))


def test_the_getter_is_found_by_name_and_saved_in_the_config(tiny_encoder):
    make = registry.get("span_getters", "spacy_crossner.PieceWindows.v1")
    assert isinstance(make(pieces=8, overlap=2), PieceWindows)
    config = make_pipeline(tiny_encoder).config["components"]["transformer"]["model"]["get_spans"]
    assert config == {"@span_getters": "spacy_crossner.PieceWindows.v1", "pieces": 40, "overlap": 10}


def test_loaded_pipelines_cut_the_same_windows(tiny_encoder, tmp_path):
    nlp = make_pipeline(tiny_encoder)
    expected = scores(nlp)
    nlp.to_disk(tmp_path)
    loaded = [spacy.load(tmp_path), spacy.blank("en").from_config(nlp.config).from_bytes(nlp.to_bytes())]
    for other in [*loaded, copy.deepcopy(nlp)]:
        assert np.array_equal(scores(other), expected)
        assert other.get_pipe("transformer").model.layers[0].shims[0].max_pieces == 100
    # A model that has run already takes the tokenizer of what it loads.
    loaded[0].from_bytes(nlp.to_bytes())
    shim = loaded[0].get_pipe("transformer").model.layers[0].shims[0]
    assert np.array_equal(scores(loaded[0]), expected)
    assert shim.tokenizer.tokenizer is shim._hfmodel.tokenizer


def test_saved_bytes_do_not_depend_on_the_last_call(tiny_encoder):
    model = make_encoder(tiny_encoder)
    before = model.to_bytes()
    model.predict([make_doc(make_words(100))])
    assert model.to_bytes() == before


def test_a_replaced_listener_cuts_the_same_windows(tiny_encoder, tmp_path):
    nlp = make_pipeline(tiny_encoder)
    expected = scores(nlp)
    nlp.replace_listeners("transformer", "tagger", ["model.tok2vec"])
    nlp.remove_pipe("transformer")
    np.testing.assert_allclose(scores(nlp), expected, atol=2e-6)
    encoders = [node for node in nlp.get_pipe("tagger").model.walk() if node.name == "transformer"]
    assert [node.layers[0].shims[0].max_pieces for node in encoders] == [100]
    # A second time, as where two components share one.
    twice = encoders[0].copy().copy()
    doc = nlp.make_doc(" ".join(make_words(300)))
    assert np.array_equal(pool(twice.predict([doc])), pool(encoders[0].predict([doc])))
    nlp.to_disk(tmp_path)
    np.testing.assert_array_equal(scores(spacy.load(tmp_path)), scores(nlp))


def test_an_encoder_inside_a_component(tiny_encoder):
    doc = make_doc(make_words(300))
    model = build_tok2vec_transformer(str(tiny_encoder), PieceWindows(), reduce_mean(), max_pieces=100)
    model.initialize(X=[doc])
    expected = pool(make_encoder(tiny_encoder).predict([doc]))
    np.testing.assert_allclose(model.predict([doc])[0], expected, atol=2e-6)


@pytest.mark.parametrize("get_spans", [PieceWindows(), PieceWindows(8, 2), configure_get_doc_spans()])
def test_blank_tokens_have_no_pieces_and_change_none(roberta, get_spans):
    model = make_encoder(roberta, get_spans)
    words = ["Ada", "met", "Grace", "in", "New", "York", "again", "today"]
    plain = make_doc(words)
    # To these tokenizers a word after a line break is another one than after a blank.
    blanks = make_doc(["\n", *words[:2], " ", *words[2:5], "\n\n", *words[5:], "\t"])
    expected, alone, found = model.predict([plain, make_doc(["\n"]), blanks]).doc_data
    places = [token.i for token in blanks if not token.is_space]
    lengths = np.zeros(len(blanks), dtype="i")
    lengths[places] = expected.align.lengths
    assert found.align.lengths.tolist() == lengths.tolist()
    assert found.wordpieces.input_ids.tolist() == expected.wordpieces.input_ids.tolist()
    vectors = [data.model_output.last_hidden_state.reshape(-1, 16)[data.align.dataXd] for data in (expected, found)]
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-5)
    assert len(alone.align.lengths) == 1

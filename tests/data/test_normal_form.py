import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_crossner.data.normal_form import name_key, name_keys, sentence_key, sentence_keys

SENTENCE = "Die „Zürcher Größe“ – laut O'Brien – stieg (2024) um 5 %."
SPELLINGS = {
    "NFD": unicodedata.normalize("NFD", SENTENCE),
    "no-break space": SENTENCE.replace(" ", "\u00a0"),
    "thin and wide blanks": SENTENCE.replace(" ", "\u2009\u3000"),
    "tabs": SENTENCE.replace(" ", "\t"),
    "soft hyphen": SENTENCE.replace("Größe", "Grö\u00adße"),
    "zero-width space": SENTENCE.replace("stieg", "sti\u200beg"),
    "zero-width in a letter": unicodedata.normalize("NFD", SENTENCE).replace("u\u0308", "u\u200d\u0308"),
    "byte order mark": "\ufeff" + SENTENCE,
    "direction marks": SENTENCE.replace("(2024)", "\u200e(2024)\u200f"),
    "control character": SENTENCE.replace("stieg", "st\x02ieg"),
    "ASCII quotes": SENTENCE.replace("„", '"').replace("“", '"'),
    "guillemets": SENTENCE.replace("„", "»").replace("“", "«"),
    "pairs of single quotes": SENTENCE.replace("„", "``").replace("“", "''"),
    "typographic apostrophe": SENTENCE.replace("'", "’"),
    "acute accent as apostrophe": SENTENCE.replace("'", "´"),
    "em dashes": SENTENCE.replace("–", "—"),
    "double hyphens": SENTENCE.replace("–", "--"),
    "minus": SENTENCE.replace("–", "−"),
    "upper case": SENTENCE.upper(),
    "tokens": "Die „ Zürcher Größe “ – laut O'Brien – stieg ( 2024 ) um 5 % .",
    "brackets of the Penn Treebank": SENTENCE.replace("(", "-LRB- ").replace(")", " -RRB-"),
    "letters of full width": SENTENCE.replace("Die", "Ｄｉｅ"),
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_spellings_of_a_sentence_have_one_key(spelling):
    assert spelling != SENTENCE
    assert sentence_key(spelling) == sentence_key(SENTENCE) == "die''zürchergrösse''-lauto'brien-stieg(2024)um5%."


def test_other_sentences_have_other_keys():
    sentences = ["Oslo.", "Oslo!", "Oslo", "Osló.", "Oslo 2.", "Os-lo.", "'Oslo'."]
    assert len({sentence_key(sentence) for sentence in sentences}) == len(sentences)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Zu\u0308rich", "Zürich"),
        ("  New\u00a0 York\u200b ", "New York"),
        ("Grö\u00adße", "Größe"),
        ("O’Brien", "O'Brien"),
        ("Jean–Luc", "Jean-Luc"),
        ("„Faust“", '"Faust"'),
        ("\ufb01nance", "finance"),
        # A sign is no letter: it stays a word of its own.
        ("Kinect™", "Kinect™"),
        ("m²", "m²"),
        ("Oslo", "Oslo"),
        ("\u200b\u00ad", ""),
        ("", ""),
    ],
)
def test_the_key_of_a_name(name, key):
    assert name_key(name) == key
    assert name_key(name, ignore_case=True) == key.casefold()


TEXT = st.text(st.one_of(st.sampled_from("aÄé'\"`-–.\u0301\u0345\u00ad\u200b \u00a0"), st.characters(codec="utf-8")))


@settings(deadline=None)
@given(TEXT)
def test_composed_and_decomposed_text_have_one_key(text):
    for form in ("NFC", "NFD"):
        other = unicodedata.normalize(form, text)
        assert sentence_key(other) == sentence_key(text)
        assert name_key(other) == name_key(text)


@settings(deadline=None)
@given(st.lists(TEXT.map(lambda text: " ".join(text.replace("\0", " ").split())), min_size=1))
def test_a_block_has_the_keys_of_its_lines(lines):
    block = "\n".join(lines).encode()
    assert sentence_keys(block).decode().split("\n") == [sentence_key(line) for line in lines]
    for ignore_case in (False, True):
        keys = name_keys(block, ignore_case=ignore_case).decode().split("\n")
        assert [" ".join(key.split()) for key in keys] == [name_key(line, ignore_case=ignore_case) for line in lines]

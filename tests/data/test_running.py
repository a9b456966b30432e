import pytest
import spacy

from spacy_crossner.data.running import TokenFit, guess_spaces, running_text

EN = spacy.blank("en")


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        ("Ada met Bob , Eve and Cy .", "Ada met Bob, Eve and Cy."),
        ("He did n't say it 's Ada 's !", "He didn't say it's Ada's!"),
        ("She ( Ada [ A. ] ) left ; why ?", "She (Ada [A.]) left; why?"),
        ('He said : " Yes , " and " no " .', 'He said: "Yes," and "no".'),
        ("He said `` yes '' twice .", "He said ``yes'' twice."),
        ("Sie sagte „ ja “ und « nein » .", "Sie sagte „ja“ und «nein»."),
        ("“ Yes ” she said", "“Yes” she said"),
        ("the ' net ' of students ' work", "the 'net' of students' work"),
        ("the students ' work", "the students' work"),
        ("¿ Cuánto ? $ 5 or 5 € more , 10 %", "¿Cuánto? $5 or 5 € more, 10%"),
        ("a PDP - 11 and / or it ...", "a PDP - 11 and / or it..."),
        (". Oslo", ". Oslo"),
        ("", ""),
    ],
)
def test_text_of_tokens(tokens, text):
    words = tokens.split()
    found, offsets = running_text(words, None)
    assert found == text
    assert [found[start:end] for start, end in offsets] == words


def test_known_blanks_decide():
    assert running_text(["a", ".", "b"], [True, False, True]) == ("a .b ", [(0, 1), (2, 3), (3, 4)])
    assert guess_spaces([]) == []


def test_entities_that_cut_a_token():
    fit = TokenFit()
    tokens = ["the", "Paris", "-", "based", "don", "'t", "Oslo2024", "."]
    fit.add(tokens, [True, False, False, True, False, True, False, False], [(1, 2, "place"), (4, 5, "x")], EN.tokenizer)
    fit.add(["no", "entity"], None, [], EN.tokenizer)
    # spaCy cuts Paris-based at the hyphen, and don't before the n.
    assert (fit.entities, fit.misfits, fit.share) == (2, 1, 0.5)
    assert fit.examples == ["'don' in the tokens 'do n't'"]
    assert fit.note() == (
        "1 of 2 entities (50.0%) begin or end inside a token of nlp(text), which cannot find them: "
        "'don' in the tokens 'do n't'"
    )


def test_three_examples_and_each_once():
    fit = TokenFit()
    for number in (1, 1, 2, 3, 4):
        fit.add(["Oslo", f"x{number}"], [False, False], [(0, 1, "place")], EN.tokenizer)
    fit.add(["Oslo", "."], None, [(0, 1, "place")], EN.tokenizer)
    assert (fit.entities, fit.misfits) == (6, 5)
    assert fit.examples == [f"'Oslo' in the tokens 'Oslox{number}'" for number in (1, 2, 3)]
    assert TokenFit().note() == ""
    assert TokenFit(3).note() == ""

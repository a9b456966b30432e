import pytest

from spacy_crossner.errors import CrossnerError
from spacy_crossner.storage.formats import FORMAT_KEY, FORMAT_VERSION, check_format, with_format


def test_settings_are_saved_with_the_format_of_this_version():
    # A number from an older file is not kept.
    assert with_format({"labels": ["x"], "format": 0}) == {"labels": ["x"], "format": FORMAT_VERSION}
    assert FORMAT_KEY == "format"


@pytest.mark.parametrize(("cfg", "version"), [({}, 0), ({"format": 0}, 0), ({"format": FORMAT_VERSION}, 1)])
def test_formats_up_to_the_own_one_are_read(cfg, version):
    assert check_format(cfg, "component 'ner'") == version


def test_a_newer_format_is_refused_in_words():
    with pytest.raises(CrossnerError) as error:
        check_format({"format": 3}, "component 'ner'")
    assert str(error.value) == (
        "[C080] The component 'ner' was saved by a newer spacy-crossner: its format is 3, and this version reads "
        "formats up to 1. Update with `pip install -U spacy-crossner`."
    )


@pytest.mark.parametrize("version", ["2", None, True, -1, 1.5])
def test_what_is_no_version_is_said_to_be_damaged(version):
    with pytest.raises(CrossnerError, match="C081"):
        check_format({"format": version}, "component 'ner'")

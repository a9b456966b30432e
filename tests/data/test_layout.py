import pytest
from typer.testing import CliRunner

from spacy_crossner.cli import app
from spacy_crossner.data.reading import open_files
from spacy_crossner.data.stats import stats
from spacy_crossner.errors import DataError

# Every file holds these sentences, however it is laid out.
WORDS = [["Ada", "left", "Oslo"], ["Grace", "Hopper", "stayed"]]
SPANS = [[(0, 1, "PER"), (2, 3, "LOC")], [(0, 2, "PER")]]
TAGS = [["B-PER", "O", "B-LOC"], ["B-PER", "I-PER", "O"]]


def rows(form, start=0, between="\n", pos=("NNP", "VBD", "NNP")):
    """Write the sentences, each row after a form with {i} {n} {s} {word} {tag} {pos} {chunk}."""
    text, n = "", 0
    for s, (words, tags) in enumerate(zip(WORDS, TAGS, strict=True)):
        for i, (word, tag) in enumerate(zip(words, tags, strict=True)):
            chunk = ("B-NP", "B-VP", "B-NP")[i]
            text += form.format(i=i + start, n=n, s=s, word=word, tag=tag, pos=pos[i], chunk=chunk) + "\n"
            n += 1
        text += between
    return text


COMMENTS = "# sent_id = 1\n# text = Ada left Oslo\nAda B-PER\nleft O\nOslo B-LOC\n\n# sent_id = 2\n# text = x O\n"
LAYOUTS = {
    "numbers from 0": rows("{i}\t{word}\t{tag}"),
    "numbers from 1": rows("{i} {word} {tag}", start=1),
    "numbers through the file": rows("{n}\t{word}\t{tag}"),
    "numbers, no blank lines": rows("{i}\t{word}\t{tag}", start=1, between=""),
    "numbers of sentences": rows("{s} {word} {tag}", between=""),
    "numbers of sentences and tokens": rows("{s} {i} {word} {tag}", between=""),
    "a document's name": rows("news/7 {word} {tag}"),
    "numbers and a marker": "0 -DOCSTART- O\n\n" + rows("{i} {word} {tag}"),
    "comments of CoNLL-U": COMMENTS + "Grace B-PER\nHopper I-PER\nstayed O\n",
    "comments without blank lines": COMMENTS.replace("\n\n", "\n") + "Grace B-PER\nHopper I-PER\nstayed O\n",
    "comments of MultiCoNER": rows("{word} _ _ {tag}", between="\n# id 7f0a\tdomain=en\n"),
    "comments with a tab": "#\thttp://x [2009]\n" + rows("{i}\t{word}\t{tag}", start=1),
    "comments of OntoNotes": "#begin document (x)\n" + rows("{word} {tag}") + "#end document\n",
    "free comments": "# made by hand\n#\n" + rows("{word}\t{tag}", between="\n# next\n"),
    "parts of speech and chunks": rows("{word} {pos} {chunk} {tag}"),
    "eleven columns": rows("{i}\t{word}\tlemma\t_\t{pos}\t_\t_\t_\t_\t{tag}\tSpaceAfter=No"),
    "the tag second": rows("{word} {tag} lemma"),
    "the tag first": rows("{tag}\t{word}"),
    "an id last": rows("{word}\t{tag}\tT{n}"),
    "Label Studio": "-DOCSTART- -X- O\n" + rows("{word} -X- _ {tag}"),
    "markers": "-DOCSTART- -X- -X- O\n\n" + rows("{word} {pos} {chunk} {tag}", between="\n-DOCSTART- -X- O O\n"),
    "a marker in lower case": "-docstart- O\n" + rows("{word} {tag}"),
    "offsets first": rows("{n}0 {n}9 {word} {tag}"),
    "names that count": rows("t{i} {word} {tag}", start=1),
    "documents of JNLPBA": "###MEDLINE:7\n\n" + rows("{word}\t{tag}", between="\n###MEDLINE:8\n\n"),
    "all quoted, tabs": rows('"{word}"\t"{tag}"'),
    "a header": "word\ttag\n" + rows("{word}\t{tag}"),
    "a header with blanks": "Token NER\n" + rows("{word} {tag}"),
    "a header twice": "word\ttag\n" + rows("{word}\t{tag}", between="\nword\ttag\n"),
    "commas": "word,tag\n" + rows("{word},{tag}"),
    "commas and no header": rows("{word},{tag}"),
    "semicolons": "Word;POS;Tag\n" + rows("{word};{pos};{tag}"),
    "empty cells between": "word,tag\n" + rows("{word},{tag}", between=",\n"),
    "all quoted": '"word","tag"\n' + rows('"{word}","{tag}"'),
    "an index column": ",word,tag\n" + rows("{n},{word},{tag}", between=",,\n"),
    "sentence_id": "sentence_id,words,labels\n" + rows("{s},{word},{tag}", between=""),
    "the tag before the word in a header": "label,token\n" + rows("{tag},{word}"),
    "Sentence #": "Sentence #,Word,POS,Tag\n"
    + rows("{i},{word},{pos},{tag}", between="").replace("\n0,", "\nSentence: 2,").replace("0,Ada", "Sentence: 1,Ada")
    .replace("\n1,", "\n,").replace("\n2,", "\n,"),
    "Sentence in each row": "Sentence #,Word,Tag\n" + rows("Sentence: {s},{word},{tag}", between=""),
}  # fmt: skip


def read(tmp_path, text, **options):
    path = tmp_path / "train.txt"
    path.write_text(text, encoding="utf8", newline="")
    (source,) = open_files([path], **options)
    return list(source.read(None)), source


@pytest.mark.parametrize("repair", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_columns_are_told_from_their_content(tmp_path, layout, repair):
    sentences, source = read(tmp_path, LAYOUTS[layout], repair=repair)
    assert [sentence.words for sentence in sentences] == WORDS
    assert [sentence.spans for sentence in sentences] == SPANS
    assert source.faults.repairs == {}


def test_stats_reads_the_same(tmp_path):
    for name in LAYOUTS:
        (tmp_path / "train.txt").write_text(LAYOUTS[name], encoding="utf8")
        counted = stats([tmp_path / "train.txt"]).sets[tmp_path.name]["train"]
        assert (counted.sentences, counted.tokens, counted.entities) == (2, 6, 3), name


@pytest.mark.parametrize(
    ("layout", "notes"),
    [
        ("comments of CoNLL-U", {"comment lines (#) left out": 4}),
        ("a header twice", {"header line (word, tag) left out": 3}),
        ("Sentence #", {"header line (sentence #, word, pos, tag) left out": 1}),
    ],
)
def test_what_is_left_out_is_counted(tmp_path, layout, notes):
    assert read(tmp_path, LAYOUTS[layout])[1].faults.notes == notes


def test_quotes_are_those_of_csv(tmp_path):
    text = 'word,tag\n"He said, ""no""",O\n"""",O\n",",B-X\n'
    assert read(tmp_path, text)[0][0].words == ['He said, "no"', '"', ","]
    assert read(tmp_path, 'word\ttag\n""""\tO\n"Ada ""X"""\tB-X\n')[0][0].words == ['"', 'Ada "X"']
    assert read(tmp_path, '"\tO\n"a"\tB-X\n')[0][0].words == ['"', '"a"']
    with pytest.raises(DataError, match=r"C104.*line 3: found '\"left,O', no row of 2 columns separated by commas"):
        read(tmp_path, 'word,tag\nAda,B-X\n"left,O\nOslo,B-X\n', repair=True)


@pytest.mark.parametrize(
    ("text", "words", "spans"),
    [
        ("#\tB-X\nhash\tO\n", ["#", "hash"], [(0, 1, "X")]),
        ("# B-X\n#tag O\n# O\n", ["#", "#tag", "#"], [(0, 1, "X")]),
        ("a -X- _ O\n# -X- _ B-Product Name\n", ["a", "#"], [(1, 2, "Product Name")]),
        ("#,B-X\na,O\n", ["#", "a"], [(0, 1, "X")]),
    ],
)
def test_a_hash_with_a_tag_is_a_token(tmp_path, text, words, spans):
    (sentence,), source = read(tmp_path, text)
    assert (sentence.words, sentence.spans) == (words, spans)
    assert source.faults.notes.total() == 0


@pytest.mark.parametrize(("text", "line"), [("a\tO\n#\tX-Y\nb\tB-X\n", 2), ("a O\n#tag X-Y\nb B-X\n", 2)])
def test_a_hash_with_a_slip_is_no_comment(tmp_path, text, line):
    with pytest.raises(DataError, match=rf"C106.*line {line}: found the tag 'X-Y'"):
        read(tmp_path, text)


def test_the_line_named_is_one_without_a_tag(tmp_path):
    with pytest.raises(DataError, match=r"C104.*line 2: found 1 column, 'left'"):
        read(tmp_path, "Ada\tB-PER\nleft\nthe\nhouse\n")
    with pytest.raises(DataError, match=r"C104.*line 2: found 2 columns, 'left\\tVBD', of which the last is no tag"):
        read(tmp_path, "Ada\tB-PER\nleft\tVBD\nthe\tDT\nhouse\tNN\n")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Ada\tB-PER\tO\n\n" * 20, "tags in column 2 (PER) and in column 3"),
        # Outer and inner entities, most tokens in one.
        (
            "1 Die O O\n2 Uni B-ORG O\n3 Bonn I-ORG B-LOC\n4 rief O O\n5 Eva B-PER O\n6 Kern I-PER O\n\n" * 15,
            "tags in column 3 (ORG, PER) and in column 4",
        ),
        ("Ada NNP O B-PER\nleft VBD O O\nOslo NNP B-LOC B-LOC\nin IN O O\n", "tags in column 3 (LOC) and in column 4"),
        ("Ada PER O\nleft O O\nOslo LOC O\nis O O\nbig O O\n", "tags in column 2 (LOC, PER) and in column 3"),
    ],
)
def test_two_columns_of_tags_are_refused(tmp_path, text, found):
    with pytest.raises(DataError, match=r"^\[C130\]") as caught:
        read(tmp_path, text)
    assert found in str(caught.value)


def test_words_of_text_are_no_columns_of_tags(tmp_path):
    text = "".join(f"{a} {b} {c}\n" for a in ("go", "in") for b in ("my", "no", "an") for c in ("way", "man", "era"))
    text += "vitamin o o\n"
    with pytest.raises(DataError, match=r"^\[C123\]"):
        read(tmp_path, text * 2)


@pytest.mark.parametrize(
    "row",
    ["{word}\t{tag}\t{chunk}", "{word} {pos} {chunk} {tag}", "{word}\t{tag}\t{pos}\t{chunk}", "{word} O {chunk} {tag}"],
)
@pytest.mark.parametrize("chunks", [("B-NP", "B-VP", "I-NP"), ("I-NC", "B-VC", "I-NC"), ("B-ADJP", "O", "O")])
def test_chunks_are_told_by_their_labels(tmp_path, row, chunks):
    words, tags = ["Ada", "King", "Oslo"], ["B-PER", "I-PER", "B-LOC"]
    cells = zip(words, tags, chunks, strict=True)
    text = "\n".join(row.format(word=word, tag=tag, pos="NN", chunk=chunk) for word, tag, chunk in cells)
    (sentence,), _ = read(tmp_path, text)
    assert (sentence.words, sentence.spans) == (words, [(0, 2, "PER"), (2, 3, "LOC")])


def test_a_file_without_an_entity_may_have_chunks(tmp_path):
    for row in ("Ada O B-NP\nleft O B-VP\n", "Ada B-NP O\nleft B-VP O\n"):
        (sentence,), _ = read(tmp_path, row)
        assert (sentence.words, sentence.spans) == (["Ada", "left"], [])


def test_a_comment_inside_a_sentence_does_not_end_it(tmp_path):
    sentences, _ = read(tmp_path, "# id 1\nNew B-X\n# note = here\nYork I-X\n\n# id 2\nAda B-X\n")
    assert [(sentence.words, sentence.spans) for sentence in sentences] == [
        (["New", "York"], [(0, 2, "X")]),
        (["Ada"], [(0, 1, "X")]),
    ]


def test_the_whole_file_decides_which_column_holds_the_tags(tmp_path):
    text = "Ada O B-PER\nleft O O\n" * 1500 + "Ada B-NP O\nleft B-VP O\nit O O\n" * 1600
    sentences, _ = read(tmp_path, text)
    assert sum(len(sentence.spans) for sentence in sentences) == 1500


def test_a_file_without_lines_between_sentences_is_noted(tmp_path):
    _, source = read(tmp_path, "word,tag\n" + "Ada,B-X\nleft,O\n" * 501)
    assert source.faults.notes["sentences of more than 250 tokens: are there lines between sentences?"] == 1


def test_labels_of_label_studio_may_hold_blanks(tmp_path):
    text = "The -X- _ O\niPhone -X- _ B-Product Name\n15 -X- _ I-Product Name\nMax -X- _ I-Product Name\nsold -X- _ O\n"
    (sentence,), source = read(tmp_path, text)
    assert sentence.words == ["The", "iPhone", "15", "Max", "sold"]
    assert sentence.spans == [(1, 4, "Product Name")]
    assert source.faults.notes == {}
    for rest in ("", "was O\nsold O\nhere O\n"):
        (sentence,), _ = read(tmp_path, "iPhone B-Product Name\n15 I-Product Name\nnow O\n" + rest)
        assert (sentence.words[:3], sentence.spans) == (["iPhone", "15", "now"], [(0, 2, "Product Name")])


def test_ranges_of_conllu(tmp_path):
    text = "1-2\tdon't\t_\t_\n1\tdo\tO\t_\n2\tn't\tO\t_\n2.1\tx\t_\t_\n3\tBergen\tB-LOC\t_\n"
    (sentence,), source = read(tmp_path, text)
    assert (sentence.words, sentence.spans) == (["do", "n't", "Bergen"], [(2, 3, "LOC")])
    assert list(source.faults.notes.values()) == [2]
    with pytest.raises(DataError, match=r"\[C129\].*line 1: found the tag 'B-X' on the token 1-2"):
        read(tmp_path, text.replace("t\t_", "t\tB-X", 1), repair=True)


@pytest.mark.parametrize(
    ("text", "code", "found"),
    [
        ("New York NNP B-LOC\nAda NNP B-PER\nleft VBD O\n", "C104", "line 1: found 4 columns"),
        ("Ada NNP B-PER\nNew York NNP B-LOC\nleft VBD O\n", "C104", "line 2: found 4 columns"),
        ("Ada\tB-PER\nNew\tYork\tB-LOC\nleft\tO\n", "C104", "line 2: found 3 columns"),
        ("Ada\tB-PER\nleft\nOslo\tB-LOC\n", "C104", "line 2: found 1 column, 'left', where most lines have 2"),
        ("0 Ada B-PER\n1 left O\nOslo B-LOC\n3 . O\n", "C104", "line 3: found 2 columns"),
        ("word,tag\n,,O\nAda,B-PER\n", "C104", "line 2: found ',,O', no row of 2 columns separated by commas"),
        ("# a\nbc 0 In IN (DATE\nbc 1 May NN *)\n", "C104", "line 2: found 5 columns, 'bc 0 In IN (DATE'"),
        ("Ada NNP\nleft VBD\n", "C104", "line 1: found 2 columns, 'Ada NNP', of which the last is no tag"),
        ("Type A\nType B\nType O\n", "C123", "line 1: found possible labels without prefixes"),
        ("".join(f"{i} O\n" for i in range(20)), "C104", "line 1"),
        ("Mot Etiquette\nAda B-PER\nleft O\n", "C126", "line 1: found 'Mot Etiquette' with 'Etiquette'"),
        (
            "Ada B-PER O\nleft O O\nOslo B-LOC O\nis O O\nbig O O\n",
            "C130",
            "tags in column 2 (LOC, PER) and in column 3",
        ),
    ],
)
def test_what_cannot_be_told_is_an_error_even_with_repair(tmp_path, text, code, found):
    for repair in (False, True):
        with pytest.raises(DataError, match=rf"^\[{code}\]") as caught:
            read(tmp_path, text, repair=repair)
        assert found in str(caught.value)


def test_the_error_says_what_was_looked_for(tmp_path):
    with pytest.raises(DataError) as caught:
        read(tmp_path, "Ada NNP\nleft VBD\n")
    for what in ("tabs, blanks, commas or semicolons", "B-X I-X", "X-B, B_X, b-x", "--scheme io", "--raw", "markup"):
        assert what in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1 O\n2 O\n3 B-X\n", ["1", "2", "3"]),  # nothing else is there to be the words
        ("1996 CD O\n1997 CD B-X\n", ["1996", "1997"]),
        ("12 CD B-X\n7 CD O\n9 CD O\n", ["12", "7", "9"]),
        ("ha _ B-X\nha _ O\nha _ O\n", ["ha", "ha", "ha"]),
    ],
)
def test_numbers_that_do_not_count_are_words(tmp_path, text, words):
    assert read(tmp_path, text)[0][0].words == words


def test_a_remark_behind_the_tag_is_no_label(tmp_path):
    (sentence,), _ = read(tmp_path, "York\tB-LOC\tsure?\nleft\tO\nnow\tO\n")
    assert (sentence.words, sentence.spans) == (["York", "left", "now"], [(0, 1, "LOC")])


def test_plain_text_stays_plain_text_in_stats(tmp_path):
    path = tmp_path / "train.txt"
    for text in ("Ada came O\n", "f[x](y and more.\n"):
        path.write_text(text + "It rained all day, and nobody came.\n" * 5000, encoding="utf8")
        counted = stats([path]).sets[tmp_path.name]["train"]
        assert (counted.sentences, counted.unlabelled, counted.repairs) == (5001, 5001, {})


def test_convert_prints_the_columns(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text(LAYOUTS["Sentence #"], encoding="utf8")
    result = CliRunner().invoke(app, ["convert", str(path), str(tmp_path / "x.spacy"), "-d", "news"])
    output = " ".join(result.output.split())
    assert result.exit_code == 0
    assert "columns, BIO tags (detected), separated by commas, words in column 2 and tags in column 4 of 4" in output
    assert "x.txt: 1 header line (sentence #, word, pos, tag) left out" in output


@pytest.mark.parametrize("end", ["\x0b", "\x0c", "\x85", "\u2028", "\u2029"])
def test_no_word_is_lost_at_a_line_break_inside_a_line(tmp_path, end):
    for text in (
        f"Ada\tB-PER{end}left\tO\nOslo\tB-LOC\n",
        f"Ada B-PER{end}left O{end}Oslo B-LOC{end}",
        f"word,tag\nAda,B-PER{end}left,O\nOslo,B-LOC\n",
    ):
        (sentence,), _ = read(tmp_path, text)
        assert (sentence.words, sentence.spans) == (["Ada", "left", "Oslo"], [(0, 1, "PER"), (2, 3, "LOC")])
    sentences, _ = read(tmp_path, f"Ada\tB-PER{end}{end}left\tO\n")
    assert [sentence.words for sentence in sentences] == [["Ada"], ["left"]]
    # Inside a token it is kept, and at the end of a line it says nothing.
    (sentence,), _ = read(tmp_path, f"A{end}da\tB-PER{end}\nleft\tO\n")
    assert (sentence.words, sentence.spans) == ([f"A{end}da", "left"], [(0, 1, "PER")])
    for text in (f"Ada\tB-PER{end}left\nOslo\tO\n", f"Ada\tNNP{end}left\tB-PER\nOslo\tNNP\tO\n" + "is\tVB\tO\n" * 3):
        with pytest.raises(DataError, match=r"\[C1[03]4\].*line 1: found"):
            read(tmp_path, text, repair=True)

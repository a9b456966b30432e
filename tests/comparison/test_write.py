"""The tables and figures that a grid leaves: of runs with the data and commands that the project has now."""

import pytest
import srsly
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_crossner.annotations.domains import set_domain
from spacy_crossner.comparison.ledger import Ledger
from spacy_crossner.comparison.tables import percent
from spacy_crossner.data.docbin import write_docbin

CORPORA = """
import pathlib, shutil, sys
for domain, words in (("ai", sys.argv[1]), ("news", "old")):
    path = pathlib.Path("corpus", domain, "train.spacy")
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(f"{domain}-{words}.spacy", path)
"""


def test_tables_of_an_earlier_time_do_not_stay(project, compare):
    (project / "more.txt").write_text("more")
    compare(project, "--vary", "data=more.txt")
    mine = project / "c" / "notes.csv"
    mine.write_text("mine")
    assert (project / "c" / "variants.csv").is_file()
    for name in ("data.txt", "more.txt"):
        (project / name).write_text("other data")
    compare(project)
    assert not (project / "c" / "variants.csv").exists()
    assert mine.is_file()


def test_a_figure_that_cannot_be_written_leaves_the_tables(project, compare):
    (project / "c" / "types.png").mkdir(parents=True)
    with pytest.warns(UserWarning, match="W003"):
        code, output = compare(project)
    assert code == 0, output
    assert "| two | crf |" in (project / "c" / "tables.md").read_text()


@pytest.mark.parametrize("change", ["data", "variable"])
def test_runs_of_other_data_are_not_in_the_tables(project, change, compare, scores_in_table):
    # Three seeds and another setting on the old data.
    compare(project, "--seeds", "1,2,3", "--settings", "two,one")
    assert len(scores_in_table(project)) == 2
    options = []
    if change == "data":
        (project / "data.txt").write_text("other data")
    else:
        (project / "more.txt").write_text("more data")
        options = ["--var", "data=more.txt"]
    compare(project, "--seeds", "1,2", *options)
    runs = list(Ledger(project / "c").runs.values())
    assert len(runs) == 8
    ((setting, method, test, _),) = scores_in_table(project)
    assert (setting, method) == ("two", "crf")
    assert test == percent([run["test"]["f"] for run in runs[-2:]])
    # Other runs on the same data are.
    compare(project, "--settings", "one", *options)
    assert [row[0] for row in scores_in_table(project)] == ["two", "one"]


def test_the_baseline_is_the_first_of_the_command(project, compare):
    compare(project, "--settings", "one")
    compare(project, "--settings", "two,one")
    assert "Better than two crf, the baseline: `*` p < 0.05" in (project / "c" / "tables.md").read_text()


def test_vocabularies_are_drawn_of_the_project_as_it_is(project, compare):
    (project / "corpora.py").write_text(CORPORA)
    for domain, words in (("ai", "new"), ("ai", "old"), ("news", "old")):
        doc = Doc(Vocab(), [words, "words"], ents=["O", "O"])
        set_domain(doc, domain)
        write_docbin([doc], project / f"{domain}-{words}.spacy")
    outputs = ["corpus/ai", "corpus/news"]
    corpora = {"name": "corpora", "script": ["python corpora.py ${vars.words}"], "deps": [], "outputs": outputs}
    config = srsly.read_yaml(project / "project.yml")
    config["vars"].update(source="news", words="new")
    config["workflows"]["two"].insert(0, "corpora")
    config["commands"].insert(0, corpora)
    srsly.write_yaml(project / "project.yml", config)
    compare(project)
    assert "<!-- 50 -->" in (project / "c" / "overlap.svg").read_text()
    # What lies there is of other words.
    config["vars"]["words"] = "old"
    srsly.write_yaml(project / "project.yml", config)
    compare(project, "--budget", "0")
    assert not (project / "c" / "overlap.svg").exists()
    compare(project)
    assert "<!-- 100 -->" in (project / "c" / "overlap.svg").read_text()


def test_variants_are_runs_beside_the_project_as_it_is(project, counted, compare, scores_in_table):
    for name in ("2", "3"):
        (project / f"data{name}.txt").write_text(name)
    config = srsly.read_yaml(project / "project.yml")
    config["vars"].update(data="data${vars.of}.txt", of="")
    srsly.write_yaml(project / "project.yml", config)
    code, output = compare(project, "--seeds", "1,2", "--vary", "of=2", "--vary", "of=", "--vary", "of=3")
    assert code == 0, output
    assert "6/6 two crf on ai, of=3, seed 2: test F1" in output
    assert counted(project).count("source-crf") == 3
    text = (project / "c" / "tables.md").read_text()
    assert "| two | crf | ai | of=2 |" in text
    assert "## Test F1 over of" in text
    assert len(scores_in_table(project)) == 1
    assert compare(project, "--seeds", "1,2", "--vary", "of=2")[1].count("(known)") == 4
    # With a variable for all runs the variant is the project as it is, and its run that of the same commands.
    code, output = compare(project, "--seeds", "1,2", "--var", "of=2", "--vary", "of=2.0", "--vary", "of=3")
    assert code == 0, output
    assert "4/4" in output
    assert output.count("(known)") == 4
    text = (project / "c" / "variants.csv").read_text()
    assert "of=3" in text
    assert "of=2" not in text
    assert text.count(",,") == 1
    first, *_ = (project / "c" / "curve-of.csv").read_text().splitlines()
    assert first.endswith(",2,3")

"""The curve of a training: which lines it has, with which values, and what happens without matplotlib."""

import sys

import pytest

from spacy_crossner.errors import CrossnerError
from spacy_crossner.training import curves
from spacy_crossner.training.curves import draw_curve, loss_lines, save_curve, total_line
from spacy_crossner.training.log import forget_log, read_log, write_log


def row(step, score=0.5, **losses):
    losses = {name.replace("_", "."): value for name, value in losses.items()}
    scores = {"ents_f": score, "speed": 2 * score}
    return {"epoch": 1, "step": step, "losses": losses, "scores": scores, "score": score, "seconds": 1, "words": 9}


def lines_of(axis):
    """Return the values of each line with a name of its own."""
    lines = {line.get_label(): list(line.get_ydata()) for line in axis.get_lines()}
    return {name: values for name, values in lines.items() if not name.startswith("_")}


LOG = [
    row(10, 0.25, transformer=0.0, ner=40.0, ner_nll=30.0, ner_mmd=10.0),
    row(20, 0.75, transformer=0.0, ner=20.0, ner_nll=15.0, ner_mmd=5.0),
    row(40, 0.5, transformer=0.0, ner=20.0, ner_nll=10.0, ner_mmd=10.0),
]


def test_terms_are_means_over_the_steps_since_the_last_evaluation():
    # The component's loss is the sum of its terms; a component without a loss has no line.
    assert loss_lines(LOG) == {
        "ner.nll": ([10, 20, 40], [3.0, 1.5, 0.5]),
        "ner.mmd": ([10, 20, 40], [1.0, 0.5, 0.5]),
    }
    assert total_line(LOG) == ([10, 20, 40], [4.0, 2.0, 1.0])


def test_an_evaluation_at_step_0_follows_one_step():
    assert loss_lines([row(0, ner=8.0), row(4, ner=8.0)]) == {"ner": ([0, 4], [8.0, 2.0])}


def test_a_training_has_a_line_for_each_term_and_score():
    losses, scores = draw_curve({"": LOG}).axes
    assert lines_of(losses) == {"ner.nll": [3.0, 1.5, 0.5], "ner.mmd": [1.0, 0.5, 0.5]}
    assert lines_of(scores) == {"F1": [25.0, 75.0, 50.0], "speed": [50.0, 150.0, 100.0]}
    (star,) = [line for line in scores.get_lines() if line.get_marker() == "*"]
    assert (star.get_xdata()[0], star.get_ydata()[0]) == (20, 75.0)


@pytest.mark.parametrize(("last", "scale"), [(0.1, "log"), (0.11, "linear"), (0.0, "linear"), (-1.0, "linear")])
def test_the_axis_is_logarithmic_where_it_shows_more(last, scale):
    losses, scores = draw_curve({"": [row(1, ner=1.0), row(2, ner=last)]}).axes
    assert losses.get_yscale() == scale
    assert scores.get_yscale() == "linear"


def test_steps_are_whole_numbers():
    figure = draw_curve({"": [row(2, ner=1.0), row(4, ner=0.9)]})
    assert all(float(step).is_integer() for axis in figure.axes for step in axis.get_xticks())


def test_several_seeds_have_a_line_each_and_their_mean():
    losses, scores = draw_curve({"seed 4": LOG, "seed 5": LOG[:2]}, mean=0.8).axes
    assert lines_of(losses) == {"seed 4": [4.0, 2.0, 1.0], "seed 5": [4.0, 2.0]}
    found = lines_of(scores)
    assert found.pop("mean of the weights") == [80.0, 80.0]
    assert found == {"seed 4": [25.0, 75.0, 50.0], "seed 5": [25.0, 75.0]}


def test_the_same_log_gives_the_same_picture(tmp_path):
    for name in ("a", "b"):
        save_curve(tmp_path / name, {"": LOG})
    picture = (tmp_path / "a" / "curve.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert picture == (tmp_path / "b" / "curve.png").read_bytes()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["curve.png"]


def test_one_evaluation_is_no_curve(tmp_path):
    save_curve(tmp_path, {"": LOG[:1], "seed": []})
    assert not list(tmp_path.iterdir())


def test_without_matplotlib_it_is_said_once(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    curves._say_once.cache_clear()
    for _ in range(3):
        save_curve(tmp_path, {"": LOG})
    printed = " ".join(capsys.readouterr().out.split())
    assert printed.count("[C209] Plots need matplotlib: pip install 'spacy-crossner[plots]'") == 1
    assert not list(tmp_path.iterdir())
    with pytest.raises(CrossnerError, match="C209"):
        draw_curve({"": LOG})


def test_a_log_is_read_as_it_was_written_and_forgotten_with_its_curve(tmp_path):
    assert read_log(tmp_path) == []
    write_log(tmp_path, LOG)
    assert read_log(tmp_path) == LOG
    save_curve(tmp_path, {"": LOG})
    assert len(list(tmp_path.iterdir())) == 2
    forget_log(tmp_path)
    assert not list(tmp_path.iterdir())

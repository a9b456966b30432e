import io
import json
import re

import numpy as np
import pytest
import spacy

from spacy_crossner.training.first_evaluation import LEFT_OUT
from spacy_crossner.training.loggers import create_term_logger


@pytest.fixture
def nlp():
    nlp = spacy.blank("en")
    nlp.config["training"]["max_steps"] = 20
    nlp.config["training"]["score_weights"] = {"ents_f": 1.0, "ents_p": 0.0, "ents_r": 0.5, "ents_per_type": None}
    return nlp


def info(step, **changes):
    losses = {"transformer": 0.0, "ner": 3.25 + step, "ner.nll": 2.5 + step, "ner.mmd": 0.75}
    scores = {"ents_f": 0.4321, "ents_r": 0.25, "ents_p": 0.9, "ents_per_type": {"person": {"f": 1.0}}, "speed": 100.0}
    given = {"epoch": 1, "step": step, "losses": losses, "other_scores": scores, "score": 0.5571}
    return {**given, "seconds": 4, "words": 1234, "checkpoints": [], **changes}


def log(nlp, infos, **settings):
    """Return what the logger prints, on stdout and on stderr."""
    stdout, stderr = io.StringIO(), io.StringIO()
    log_step, finalize = create_term_logger(**settings)(nlp, stdout, stderr)
    for one in infos:
        log_step(one)
    finalize()
    return stdout.getvalue(), stderr.getvalue()


def test_each_term_has_a_column_of_its_name(nlp):
    table, _ = log(nlp, [info(0), None, None, info(10)])
    header, rule, *rows = [line for line in table.splitlines() if line.strip()]
    names = ["E", "#", "Loss transformer", "Loss ner", "Loss ner.nll", "Loss ner.mmd", "ents_f", "ents_r", "Score"]
    positions = [header.upper().find(name.upper()) for name in names]
    assert -1 not in positions
    assert positions == sorted(positions)
    assert set(rule) == {"-", " "}
    assert [row.split() for row in rows] == [
        ["1", "0", "0.00", "3.25", "2.50", "0.75", "43.21", "25.00", "0.5571", "308"],
        ["1", "10", "0.00", "13.25", "12.50", "0.75", "43.21", "25.00", "0.5571", "308"],
    ]
    # Without a weight, no column.
    assert "ENTS_P" not in header.upper()


def test_cells_stand_under_their_headers(nlp):
    table, _ = log(nlp, [info(10), info(1990, score=1.0, words=12345678)])
    header, rule, *rows = [line for line in table.splitlines() if line.strip()]
    ends = [match.end() for match in re.finditer("-+", rule)]
    assert len(header) == ends[-1]
    for row in rows:
        # Aligned at the right; a header of two words ends with its second.
        assert [match.end() for match in re.finditer(r"\S+", row)] == ends


def test_json_lines_hold_all_terms_and_scores(nlp, tmp_path):
    path = tmp_path / "new" / "folder" / "log.jsonl"
    log(nlp, [info(0), None, info(10)], output_file=str(path))
    lines = [json.loads(line) for line in path.read_text(encoding="utf8").splitlines()]
    assert lines == [
        {
            "epoch": 1,
            "step": step,
            "losses": info(step)["losses"],
            "scores": {"ents_f": 0.4321, "ents_r": 0.25},
            "score": 0.5571,
            "seconds": 4,
            "words": 1234,
        }
        for step in (0, 10)
    ]


def test_a_line_is_there_as_soon_as_it_is_logged(nlp, tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text("an older run\n", encoding="utf8")
    log_step, finalize = create_term_logger(output_file=str(path))(nlp, io.StringIO(), io.StringIO())
    assert path.read_text(encoding="utf8") == ""
    log_step(info(0))
    # An interrupted run leaves what it has measured.
    assert json.loads(path.read_text(encoding="utf8"))["step"] == 0
    finalize()


@pytest.mark.parametrize(
    "changes",
    [{"other_scores": {"ents_f": None}}, {"other_scores": {}}],
    ids=["None", "missing"],
)
def test_a_score_without_a_value_counts_as_0(nlp, tmp_path, changes):
    path = tmp_path / "log.jsonl"
    log(nlp, [info(0, **changes)], output_file=str(path))
    assert json.loads(path.read_text(encoding="utf8"))["scores"] == {"ents_f": 0.0, "ents_r": 0.0}


def test_an_evaluation_that_was_left_out_has_no_row(nlp, tmp_path):
    path = tmp_path / "log.jsonl"
    table, _ = log(nlp, [info(0, other_scores={"ents_f": 0.0, LEFT_OUT: 1.0}), None, info(10)], output_file=str(path))
    assert [json.loads(line)["step"] for line in path.read_text(encoding="utf8").splitlines()] == [10]
    assert [line.split()[1] for line in table.splitlines() if line.strip()][2:] == ["10"]


def test_tensors_are_written_as_numbers(nlp, tmp_path):
    path = tmp_path / "log.jsonl"
    log(nlp, [info(0, losses={"ner": np.float32(1.5)}, score=np.float64(0.5))], output_file=str(path))
    line = json.loads(path.read_text(encoding="utf8"))
    assert (line["losses"], line["score"]) == ({"ner": 1.5}, 0.5)


@pytest.mark.parametrize("progress_bar", [True, False])
def test_the_bar_is_for_terminals(nlp, progress_bar):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stdout, stderr = io.StringIO(), Terminal()
    log_step, finalize = create_term_logger(progress_bar=progress_bar)(nlp, stdout, stderr)
    for one in [info(0), *[None] * 19, info(20)]:
        log_step(one)
    finalize()
    assert ("/20" in stderr.getvalue()) == progress_bar
    # Neither in a file nor in a pipe.
    assert log(nlp, [info(0)], progress_bar=progress_bar)[1] == ""


def test_a_resumed_log_goes_on_where_its_state_was_taken(nlp, tmp_path):
    path = tmp_path / "log.jsonl"
    logger = create_term_logger(output_file=str(path))
    log_step, finalize = logger(nlp, io.StringIO(), io.StringIO())
    for one in [info(0), None, info(2)]:
        log_step(one)
    state = logger.training_state_to_bytes()
    # What comes after is lost.
    log_step(info(4, score=0.9))
    finalize()

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    resumed, stdout, stderr = create_term_logger(output_file=str(path)), io.StringIO(), Terminal()
    resumed.training_state_from_bytes(state)
    log_step, finalize = resumed(nlp, stdout, stderr)
    log_step(None)
    log_step(info(4))
    finalize()
    rows = [json.loads(line) for line in path.read_text(encoding="utf8").splitlines()]
    assert [(row["step"], row["score"]) for row in rows] == [(0, 0.5571), (2, 0.5571), (4, 0.5571)]
    # The table has a header again, and the bar begins after three steps.
    assert [line.split()[1] for line in stdout.getvalue().splitlines() if line.strip()][2:] == ["4"]
    assert "3/20" in stderr.getvalue()

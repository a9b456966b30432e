"""A finished output is kept while nothing changes."""

from spacy_crossner.fingerprints import RECORD, is_up_to_date, record_path, write_record


def test_a_finished_output_is_kept_while_nothing_changes(tmp_path, capsys):
    output = tmp_path / "out"
    assert not is_up_to_date(output, {"a": "1"})
    output.mkdir()
    (output / "made").write_text("made")
    write_record(output, {"a": "1"}, ["made"])
    assert is_up_to_date(output, {"a": "1"})
    assert f"{output} is up to date" in " ".join(capsys.readouterr().out.split())
    assert not is_up_to_date(output, {"a": "2", "b": "1"})
    assert f"{output} is out of date. Changed since it was written: a, b" in " ".join(capsys.readouterr().out.split())
    (output / "made").write_text("other")
    assert not is_up_to_date(output, {"a": "1"})
    assert f"{output}/made itself" in " ".join(capsys.readouterr().out.split())
    (output / RECORD).write_text('{"fingerprint": {"a": "1"}')
    assert not is_up_to_date(output, {"a": "1"})


def test_a_folder_may_hold_several_outputs_with_records_of_their_own(tmp_path):
    (tmp_path / "best").write_text("best")
    write_record(tmp_path, {"a": "1"}, ["best"], "best", f=0.5)
    assert record_path(tmp_path, "best") == tmp_path / "best.json"
    assert '"f": 0.5' in (tmp_path / "best.json").read_text()
    assert is_up_to_date(tmp_path, {"a": "1"}, "best")
    assert not is_up_to_date(tmp_path, {"a": "1"})

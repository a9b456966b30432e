import resource

import pytest

from spacy_crossner.errors import CrossnerError


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("", {}, r"\[C403\].*raw.txt"),
        (" \n\t\n", {}, r"\[C403\]"),
        ("no name of it\n", {}, r"\[C406\].*names.tsv.*--ignore-case"),
        ("no name of it\n", {"level": "domain"}, r"\[C406\]"),
        ("no name of it\n", {"ignore_case": True}, r"\[C406\] No name of the entity list .*names.tsv is in the text;"),
        ("Ada .\n", {"level": "entity"}, r"\[C409\].*'entity'"),
        ("Ada .\n", {"level": "task", "types": ["field"]}, r"\[C409\].*'task'"),
        ("It rained .\nit rained.\n", {"exclude": True}, r"\[C413\].*all 2 occur"),
        ("Ada\n", {"types": ["fields"]}, r"\[C407\].*'fields'; it has field, person, place"),
        ("Ada\n", {"entities": None}, r"\[C408\] The level 'integrated' needs"),
        ("Ada\n", {"entities": None, "level": "domain", "types": ["field"]}, r"\[C408\] --types needs"),
        ("Ada\n", {"level": "tasks"}, r"\[C410\] level is 'tasks'; expected domain, entity"),
        ("Ada\n", {"min_entities": 0}, r"\[C410\] min_entities is 0"),
        ("Ada\n", {"min_special": 0}, r"\[C410\] min_special is 0"),
        ("Ada\n", {"upsample": 0}, r"\[C410\] upsample is 0"),
        ("Ada\n", {"filter_size": 0}, r"\[C410\] filter_size is 0"),
        ("Ada\n", {"share": 0.0}, r"\[C410\] share is 0.0; expected above 0"),
        ("Ada\n", {"share": 1.1}, r"\[C410\] share is 1.1"),
        ("Ada\n", {"share": 1e-9}, r"\[C413\].*not in the share of 1e-09"),
        (b"Ada\nA\xff\n", {"level": "domain"}, r"\[C401\].*raw.txt, line 2: found the byte 0xff"),
    ],
)
@pytest.mark.parametrize("folder", ["", "new"])
def test_an_error_leaves_everything_as_it_was(select, read, files, tmp_path, content, options, message, folder):
    raw, entities = files
    raw.write_bytes(content.encode() if isinstance(content, str) else content)
    test = tmp_path / "test.txt"
    test.write_text("It rained .\n", encoding="utf8")
    out = tmp_path / folder / "out.txt"
    if not folder:
        out.write_text("before", encoding="utf8")
    before = sorted(tmp_path.rglob("*"))
    exclude = [test] if options.get("exclude") else []
    with pytest.raises(CrossnerError, match=message):
        select(raw, out, **{"entities": entities, **options, "exclude": exclude})
    assert sorted(tmp_path.rglob("*")) == before
    assert folder or read(out) == ["before"]


def test_files_that_are_not_there(select, files, tmp_path):
    raw, entities = files
    none = tmp_path / "none"
    with pytest.raises(CrossnerError, match=r"\[C400\].*none: found no such file"):
        select([raw, none], tmp_path / "out.txt", entities=entities)
    with pytest.raises(CrossnerError, match=r"\[C101\].*none"):
        select(raw, tmp_path / "out.txt", entities=none)
    with pytest.raises(CrossnerError, match=r"\[C101\].*none"):
        select(raw, tmp_path / "out.txt", entities=entities, exclude=[none])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["names.tsv", "raw.txt"]


def test_outputs_that_cannot_be(select, files, tmp_path):
    raw, entities = files
    before = raw.read_text(encoding="utf8")
    (tmp_path / "folder").mkdir()
    (tmp_path / "out.txt.json").mkdir()
    for name in ("folder", "out.txt", "raw.txt", "names.tsv", "out.gz"):
        with pytest.raises(CrossnerError, match=rf"\[C412\] .*{name} cannot be the output"):
            select(raw, tmp_path / name, entities=entities)
    with pytest.raises(CrossnerError, match=r"\[C411\] Cannot write .*raw.txt/out.txt: 'Not a directory'"):
        select(raw, raw / "out.txt", entities=entities)
    assert raw.read_text(encoding="utf8") == before


@pytest.mark.parametrize("level", ["domain", "integrated"])
def test_a_full_disk(select, read, files, tmp_path, level):
    raw, entities = files
    out = tmp_path / "out.txt"
    out.write_text("before", encoding="utf8")
    raw.write_text("".join(f"Ada met Ada {i} times.\n" for i in range(20_000)), encoding="utf8")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(CrossnerError, match=r"\[C411\] Cannot write .*out.txt: 'File too large'"):
            select(raw, out, entities=entities, level=level)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert read(out) == ["before"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["names.tsv", "out.txt", "raw.txt"]

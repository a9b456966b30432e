"""The codes of the messages: each message begins with its code, and no two modules use one code."""

import re
from collections import defaultdict
from pathlib import Path

import spacy_crossner

PACKAGE = Path(spacy_crossner.__file__).parent
# A message by itself, such as `C001 = "[C001] ...`, and the code of a `Fault`.
MESSAGE = re.compile(r'^ *([CW]\d{3}) = \(?\s*["\']\[(.{4})\]', re.M)
FAULT = re.compile(r'"([CW]\d{3})"')


def test_each_code_is_of_one_message():
    modules = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        text, name = path.read_text(encoding="utf8"), path.relative_to(PACKAGE).as_posix()
        messages = MESSAGE.findall(text)
        assert [code for code, shown in messages if code != shown] == []
        # One code may have several faults of one kind.
        for code in [code for code, _ in messages] + sorted(set(FAULT.findall(text))):
            modules[code].append(name)
    assert len(modules) > 150
    assert {code: names for code, names in modules.items() if len(names) > 1} == {}

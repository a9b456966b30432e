"""The files of a pipeline's package: setup.py, pyproject.toml, the module and the README."""

# Everything that differs between packages is read from meta.json, so that no value has to be quoted in this text.
SETUP_PY = """\
import glob
import json
from pathlib import Path

from setuptools import setup

meta = json.loads(Path("meta.json").read_text(encoding="utf8"))
name = meta["name"]
files = [path.relative_to(name).as_posix() for path in Path(name).rglob("*") if path.is_file()]

setup(
    name=name,
    version=meta["version"],
    description=meta.get("description") or None,
    long_description=Path("README.md").read_text(encoding="utf8"),
    long_description_content_type="text/markdown",
    author=meta.get("author") or None,
    author_email=meta.get("email") or None,
    url=meta.get("url") or None,
    license=meta.get("license") or None,
    packages=[name],
    package_data={name: [glob.escape(file) for file in files]},
    install_requires=meta["requirements"],
    entry_points={"spacy_models": [f"{name} = {name}"]},
    zip_safe=False,
)
"""

PYPROJECT = """\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
"""

INIT_PY = '''\
"""A spaCy pipeline: `spacy.load` or `load` opens it."""

from pathlib import Path

from spacy.util import get_model_meta, load_model_from_init_py

__version__ = get_model_meta(Path(__file__).parent)["version"]


def load(**overrides):
    """Load the pipeline; the overrides are those of `spacy.load`."""
    return load_model_from_init_py(__file__, **overrides)
'''

README = """\
# {name}

A spaCy pipeline for named entity recognition.

```
{install}pip install {wheel}
```

```python
import spacy

nlp = spacy.load("{name}")
```

{description}
"""

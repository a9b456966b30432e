"""The configs of the docs in which one encoder serves several components."""

import copy
import re
from pathlib import Path

from spacy import util
from thinc.api import Config

from .stages import CONFIGS

PAGE = Path(__file__).parents[2] / "docs" / "deploy.md"
SECTION = "\n## One encoder for several components\n"
# The component that holds the encoder, in the order of the page.
FORMS = ("tok2vec", "transformer")
# Width of the tiny encoder.
WIDTH = 16


def write_shared(form, tiny_encoder, path):
    """Write `crf.cfg` with the blocks of the docs in place of its component, and with a second component like `ner`."""
    section = PAGE.read_text(encoding="utf8").partition(SECTION)[2].partition("\n## ")[0]
    blocks = dict(zip(FORMS, re.findall(r"^```ini\n(.*?)^```", section, re.S | re.M), strict=True))
    block = Config().from_str(f"[components]\n{blocks[form]}", interpolate=False)
    config = util.load_config(CONFIGS / "crf.cfg", interpolate=False)
    config["paths"]["encoder"] = str(tiny_encoder)
    config["components"] = block["components"]
    config["nlp"]["pipeline"] = [*block["nlp"]["pipeline"], "second"]
    listener = config["components"]["ner"]["model"]["tok2vec"]
    if "width" in listener:
        listener["width"] = WIDTH
    config["components"]["second"] = copy.deepcopy(config["components"]["ner"])
    config.to_disk(path)
    return path

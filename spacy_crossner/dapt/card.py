"""The model card of an adapted encoder: original encoder, corpus, settings and held-out loss."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

import srsly

from ..fingerprints import encoder_title
from .log import perplexity
from .masking import Masking
from .settings import DaptSettings

Row = Tuple[str, Any]


def make_card(
    encoder: str,
    *,
    texts: Sequence[Path],
    counts: Dict[str, int],
    masking: Masking,
    settings: DaptSettings,
    held_out: Sequence[Tuple[int, float]],
) -> str:
    """Return the card in Markdown.

    encoder (str): the original encoder.
    texts (Sequence[Path]): the corpus. Statistics of `select` next to a file are included.
    counts (Dict[str, int]): sizes of the corpus by name.
    masking (Masking): the masking settings.
    settings (DaptSettings): the training settings.
    held_out (Sequence[Tuple[int, float]]): number of steps and mean held-out loss of each evaluation.
    """
    base = encoder_title(encoder)
    lines = ["---", "library_name: transformers", "tags:", "- fill-mask", "- domain-adaptation", "---"]
    lines += [f"# {base}, adapted", ""]
    lines += [
        f"The encoder `{base}` after continued masked language modelling on domain text (domain-adaptive",
        f"pre-training), with {masking.level}-level masking. Load it with `AutoModel.from_pretrained`, or pass",
        "its folder to a training config: `--paths.encoder`. `mlm/` contains the output layer for further training.",
        "",
        "## Corpus",
        "",
        *_table(("size", "number"), [(name, f"{count:,}") for name, count in counts.items()]),
    ]
    for path in texts:
        statistics = read_statistics(path)
        if statistics:
            lines += ["", f"Selection of `{path.name}`:", "", *_table(("statistic", "value"), statistics)]
    rows = [(step, f"{loss:.4f}", f"{perplexity(loss):.2f}") for step, loss in held_out]
    lines += ["", "## Held-out text", "", "Single tokens are masked. All evaluations use the same masks.", ""]
    lines += _table(("steps", "loss", "perplexity"), rows)
    values = [*_flat(asdict(masking), "masking"), *_flat(asdict(settings), "training")]
    lines += ["", "## Settings", "", *_table(("setting", "value"), values)]
    return "\n".join(lines) + "\n"


def read_statistics(text: Path) -> List[Row]:
    """Return the statistics in the JSON file next to a text, by dotted name; empty without such a file."""
    try:
        statistics = srsly.read_json(text.with_name(f"{text.name}.json"))
    except (OSError, ValueError):
        return []
    return _flat(statistics) if isinstance(statistics, dict) else []


def _flat(values: Dict[str, Any], prefix: Optional[str] = None) -> List[Row]:
    rows: List[Row] = []
    for key, value in values.items():
        name = f"{prefix}.{key}" if prefix else str(key)
        if isinstance(value, dict):
            rows += _flat(value, name)
        else:
            rows.append((name, ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else value))
    return rows


def _table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> List[str]:
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines]

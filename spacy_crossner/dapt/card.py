"""The model card of an adapted encoder: what it was, what text it saw, with which settings, how it did."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

import srsly

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

    encoder (str): the encoder before.
    texts (Sequence[Path]): the corpus; statistics that `select` has left beside a file go in.
    counts (Dict[str, int]): sizes of the corpus by what is counted.
    masking (Masking): what was masked.
    settings (DaptSettings): how it was trained.
    held_out (Sequence[Tuple[int, float]]): steps taken and mean loss on held-out text, in this order.
    """
    # A folder's place on the machine where it was made says nothing elsewhere.
    base = Path(encoder).name if Path(encoder).exists() else encoder
    lines = ["---", "library_name: transformers", "tags:", "- fill-mask", "- domain-adaptation", "---"]
    lines += [f"# {base}, adapted", ""]
    lines += [
        f"The encoder `{base}` after continued masked language modelling on text of a domain (domain-adaptive",
        f"pre-training), with {masking.level}-level masking. Load it as any encoder, `AutoModel.from_pretrained`, or",
        "give its folder to a training config: `--paths.encoder`. The output layer is in `mlm/`, for training on.",
        "",
        "## Corpus",
        "",
        *_table(("what", "number"), [(what, f"{count:,}") for what, count in counts.items()]),
    ]
    for path in texts:
        statistics = read_statistics(path)
        if statistics:
            lines += ["", f"`{path.name}`, as it was selected:", "", *_table(("what", "value"), statistics)]
    rows = [(step, f"{loss:.4f}", f"{perplexity(loss):.2f}") for step, loss in held_out]
    lines += ["", "## Held-out text", "", "Single tokens are masked, the same ones each time.", ""]
    lines += _table(("steps", "loss", "perplexity"), rows)
    values = [*_flat(asdict(masking), "masking"), *_flat(asdict(settings), "training")]
    lines += ["", "## Settings", "", *_table(("setting", "value"), values)]
    return "\n".join(lines) + "\n"


def read_statistics(text: Path) -> List[Row]:
    """Return what the JSON beside a text says of it, by dotted name; nothing where there is none."""
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

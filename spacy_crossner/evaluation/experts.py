"""The gate of a mixture of entity experts: its accuracy, and plots of its weights (Liu et al., 2020, Figure 2)."""

from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray
from spacy.language import Language
from spacy.tokens import Doc

from ..annotations.experts import get_experts
from ..annotations.tags import OUTSIDE
from ..errors import CrossnerError
from ..storage.figures import new_figure

# Tokens in a row of the plot. Longer docs have several rows.
TOKENS_A_ROW = 24
# The darkest blue of the cells, as red, green, blue.
DARK = (8, 48, 107)

C208 = "[C208] A doc has no expert confidences to plot. Use `moee_ner` with keep_experts = true and use_experts = true."


@contextmanager
def experts_kept(nlp: Language) -> Iterator[None]:
    """Let components with experts store the confidences of the experts on docs within this context."""
    pipes = [pipe for _, pipe in nlp.pipeline if hasattr(pipe, "keep_experts")]
    before = [pipe.keep_experts for pipe in pipes]
    try:
        for pipe in pipes:
            pipe.keep_experts = True
        yield
    finally:
        for pipe, kept in zip(pipes, before, strict=True):
            pipe.keep_experts = kept


def gate_accuracy(gold: Sequence[Doc], predicted: Sequence[Doc]) -> Optional[Dict[str, float]]:
    """Return the accuracy of the gate: how often the expert with the highest weight has the gold type.

    gold (Sequence[Doc]): annotated docs. Tokens without annotation are not counted.
    predicted (Sequence[Doc]): the same docs with confidences of the experts.
    RETURNS (Optional[Dict[str, float]]): accuracy in [0, 1] over all `tokens` and over tokens of gold entities
        (`entity_tokens`); None if a doc has no confidences.
    """
    is_right: List[bool] = []
    is_entity: List[bool] = []
    for expected, doc in zip(gold, predicted, strict=True):
        experts = get_experts(doc)
        if experts is None:
            if len(doc):
                return None
            continue
        names, weights = experts
        for token, best_expert in zip(expected, weights.argmax(axis=1).tolist(), strict=True):
            if token.ent_iob:
                is_right.append(names[best_expert] == (token.ent_type_ or OUTSIDE))
                is_entity.append(bool(token.ent_type))
    if not is_right:
        return None
    hits = np.array(is_right)
    entity_hits = hits[np.array(is_entity)]
    return {"tokens": float(hits.mean()), "entity_tokens": float(entity_hits.mean()) if len(entity_hits) else 0.0}


def draw_experts(docs: Sequence[Doc], path: Path) -> None:
    """Plot the confidences of the experts, with one panel for each row of tokens and the entity types below.

    docs (Sequence[Doc]): docs that `moee_ner` annotated with `keep_experts`. Docs without tokens are left out.
    path (Path): the output file. Its suffix sets the format (`.png`, `.svg`).
    RAISES (CrossnerError): a doc has no confidences, or matplotlib is not installed.
    """
    panels = [
        (doc[start : start + TOKENS_A_ROW].as_doc(), names, weights[start : start + TOKENS_A_ROW])
        for doc in docs
        for names, weights in [confidences(doc)]
        for start in range(0, len(doc), TOKENS_A_ROW)
    ]
    heights = [len(names) for _, names, _ in panels]
    widest = max((len(doc) for doc, _, _ in panels), default=1)
    figure = new_figure(1.6 + 0.42 * widest, sum(0.3 * n + 1.1 for n in heights) or 1)
    axes = figure.subplots(max(1, len(panels)), 1, squeeze=False, height_ratios=heights or None)[:, 0]
    for axis, (doc, names, weights) in zip(axes, panels, strict=False):
        axis.imshow(weights.T, cmap="Blues", vmin=0, vmax=1, aspect="auto", extent=(0, len(doc), len(names), 0))
        axis.set_xlim(0, widest)
        # Do not parse formulas: texts may contain dollar signs.
        words = [f"{token.text}\n{token.ent_type_}" for token in doc]
        axis.set_xticks(np.arange(len(doc)) + 0.5, words, rotation=60, ha="right", fontsize=7, parse_math=False)
        axis.set_yticks(np.arange(len(names)) + 0.5, names, fontsize=7, parse_math=False)
        axis.tick_params(length=0)
    figure.savefig(path, dpi=150)


def experts_html(doc: Doc) -> str:
    """Return the confidences of a doc as an HTML table, with a row for each expert and a column for each token.

    Cells show the confidence as a colour and as a number. All text is escaped.

    doc (Doc): see `draw_experts`.
    RAISES (CrossnerError): the doc has no confidences.
    """
    names, weights = confidences(doc)
    head = "".join(
        f'<th scope="col">{escape(token.text)}<br><small>{escape(token.ent_type_ or OUTSIDE)}</small></th>'
        for token in doc
    )
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th>{"".join(_cell(float(weight)) for weight in column)}</tr>'
        for name, column in zip(names, weights.T, strict=True)
    )
    caption = "<caption>Confidence of the gate in each entity expert</caption>"
    return (
        f'<div class="experts" style="overflow-x:auto"><table>{caption}<thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def confidences(doc: Doc) -> Tuple[List[str], NDArray[np.float32]]:
    """Return the experts' names and confidences; see `get_experts`.

    RAISES (CrossnerError): the doc has no confidences.
    """
    experts = get_experts(doc)
    if experts is None:
        if len(doc):
            raise CrossnerError(C208)
        return [OUTSIDE], np.zeros((0, 1), dtype=np.float32)
    return experts


def _cell(weight: float) -> str:
    red, green, blue = (round(255 + (part - 255) * weight) for part in DARK)
    ink = "#fff" if weight > 0.5 else "#000"
    return f'<td style="background:rgb({red},{green},{blue});color:{ink}">{weight:.2f}</td>'

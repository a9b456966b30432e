"""A training logger that shows every loss term by name."""

import sys
from pathlib import Path
from typing import IO, Any, Callable, Dict, List, Optional, Tuple

import srsly
import tqdm
from spacy.language import Language
from spacy.training.loggers import setup_table
from wasabi import Printer

from .first_evaluation import LEFT_OUT
from .log import make_row, score_names

LogStep = Callable[[Optional[Dict[str, Any]]], None]


class TermLogger:
    """Logs a table row and a JSON line per evaluation; see `create_term_logger`.

    A resumed run writes the same lines as an uninterrupted run: the lines up to the checkpoint are stored in it.
    """

    def __init__(self, output_file: Optional[str], progress_bar: bool) -> None:
        self.output_file = output_file
        self.progress_bar = progress_bar
        self.steps = 0
        self.lines: List[str] = []

    def __call__(
        self, nlp: Language, stdout: IO = sys.stdout, stderr: IO = sys.stderr
    ) -> Tuple[LogStep, Callable[[], None]]:
        """Start logging; return the functions to call after each step and at the end."""
        printer = Printer(no_print=True)
        stream: Optional[IO] = None
        if self.output_file:
            Path(self.output_file).parent.mkdir(parents=True, exist_ok=True)
            stream = open(self.output_file, "w", encoding="utf8")  # noqa: SIM115
            stream.writelines(self.lines)
            stream.flush()
        names = score_names(nlp)
        bar = tqdm.tqdm(
            total=nlp.config["training"]["max_steps"] or None,
            initial=self.steps,
            file=stderr,
            leave=False,
            unit="step",
            disable=None if self.progress_bar else True,
        )
        table: Optional[Dict[str, List[Any]]] = None

        def write(text: str) -> None:
            bar.clear()
            print(text, file=stdout, flush=True)

        def log_step(info: Optional[Dict[str, Any]]) -> None:
            nonlocal table
            self.steps += 1
            bar.update(1)
            if info is None or LEFT_OUT in info["other_scores"]:
                return
            row = make_row(info, names)
            losses, scores = row["losses"], row["scores"]
            speed = info["words"] / max(1, info["seconds"])
            if table is None:
                columns = ["E", "#", *(f"Loss {name}" for name in losses), *names, "Score", "words/s"]
                header, widths, aligns = setup_table(cols=columns, widths=[6] * len(columns), max_width=40)
                table = {"header": header, "widths": widths, "aligns": aligns}
                write(printer.row(table["header"], widths=table["widths"], aligns=table["aligns"], spacing=2))
                write(printer.row(["-" * width for width in table["widths"]], spacing=2))
            cells = [
                str(info["epoch"]),
                str(info["step"]),
                *(f"{value:.2f}" for value in losses.values()),
                *(f"{100 * value:.2f}" for value in scores.values()),
                f"{row['score']:.4f}",
                f"{speed:.0f}",
            ]
            write(printer.row(cells, widths=table["widths"], aligns=table["aligns"], spacing=2))
            self.lines.append(srsly.json_dumps(row) + "\n")
            if stream:
                stream.write(self.lines[-1])
                stream.flush()

        def finalize() -> None:
            bar.close()
            if stream:
                stream.close()

        return log_step, finalize

    def training_state_to_bytes(self) -> bytes:
        """Return the steps and lines logged so far."""
        return srsly.msgpack_dumps({"steps": self.steps, "lines": self.lines})

    def training_state_from_bytes(self, bytes_data: bytes) -> None:
        """Continue a saved log; call this before logging starts."""
        state = srsly.msgpack_loads(bytes_data)
        self.steps, self.lines = state["steps"], state["lines"]


def create_term_logger(output_file: Optional[str] = None, progress_bar: bool = True) -> TermLogger:
    """Make a logger for `[training.logger]`: a table row and a JSON line per evaluation.

    Columns are epoch, step, each component's loss, each of its terms (`ner.nll`), the scores that have a weight, the
    weighted score, and training words per second.

    output_file (Optional[str]): the file for JSON lines, replaced unless a run is resumed; None to write no file.
    progress_bar (bool): show a progress bar on a terminal, with steps and remaining time.
    """
    return TermLogger(output_file, progress_bar)

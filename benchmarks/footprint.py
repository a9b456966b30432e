"""Load time, size, memory over a stream, and equal answers in several threads; each in a process of its own."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict

HERE = Path(__file__).parent
# Imports come before the clock: an app imports once, and loads each pipeline.
LOAD = """
import sys, time
import spacy, torch, spacy_crossner.core.component, spacy_crossner.encoders.encoder
start = time.perf_counter()
spacy.load(sys.argv[1])
print(time.perf_counter() - start)
"""


def measure_footprint(pipeline: Path, data: Path, *, words: int, request_docs: int) -> Dict[str, Any]:
    """Return load time, size, the growth of memory over a stream of words, and whether threads give equal answers.

    pipeline (Path): the folder of a pipeline.
    data (Path): a DocBin, from which the stream is made.
    words (int): words of the stream; 0 leaves it out.
    request_docs (int): docs of each of 8 threads; 0 leaves them out.
    """
    found: Dict[str, Any] = {
        "load_seconds": min(float(_run("-c", LOAD, pipeline)) for _ in range(3)),
        "megabytes": sum(path.stat().st_size for path in pipeline.rglob("*") if path.is_file()) / 1e6,
    }
    if words:
        with tempfile.TemporaryDirectory() as folder:
            written = Path(folder) / "stream.json"
            _run(HERE / "stream.py", pipeline, data, "--words", words, "--output", written)
            stream = json.loads(written.read_text(encoding="utf8"))
        found["growth_megabytes"] = stream["growth_megabytes"]
        found["stream_words_per_second"] = stream["words_per_second"]
    if request_docs:
        found["threads"] = _run(HERE / "threads.py", pipeline, "--docs", request_docs, check=False).strip()
    return found


def _run(*arguments: Any, check: bool = True) -> str:
    # threads.py exits with 1 if answers differ, and its output tells how many.
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, check=check, capture_output=True, text=True).stdout

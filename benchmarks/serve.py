"""Measure the web service of `examples/serve`: throughput and latencies of parallel requests, with and without batches.

    python benchmarks/serve.py PIPELINE DATA.spacy [--requests 200] [--parallel 16] [--rounds 4] [--threads 1]

Each request has one text, a sentence of DATA. Each client sends its next request when it has its answer. Two servers
run, one that annotates up to 32 texts together and one that annotates one text after the other, and they take turns.
A latency is the time from sending a request to having read its answer.
"""

import json
import os
import socket
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Annotated, Any, Dict, Iterator, List, NamedTuple, Optional

import httpx
import numpy
import spacy
import typer
from wasabi import table

from spacy_crossner.data.docbin import read_docbin

APP = Path(__file__).parents[1] / "examples" / "serve"
# The names of two servers, and the most texts that each annotates together.
SERVERS = {"batches": 32, "one by one": 1}
PERCENTILES = (50, 95, 99)


class Round(NamedTuple):
    """A round of requests: its seconds, and those of each request."""

    seconds: float
    latencies: List[float]


@contextmanager
def serving(pipeline: str, batch: int, threads: int) -> Iterator[str]:
    """Run a server in a process of its own, and give its address when it has loaded the pipeline.

    pipeline (str): folder of a pipeline, or name of an installed one.
    batch (int): texts that are annotated together.
    threads (int): torch threads.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    settings = {"CROSSNER_PIPELINE": pipeline, "CROSSNER_BATCH": str(batch), "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(APP), "--factory", "app:from_environment"]
    command += ["--port", str(port), "--log-level", "warning", "--no-access-log"]
    with subprocess.Popen(command, env={**os.environ, **settings}) as server:
        try:
            url = f"http://127.0.0.1:{port}"
            while not is_ready(url):
                if server.poll() is not None:
                    raise RuntimeError(f"The server ended with status {server.returncode}.")
                time.sleep(0.2)
            yield url
        finally:
            server.terminate()


def is_ready(url: str) -> bool:
    """Return whether a server has loaded its pipeline."""
    try:
        answer = httpx.get(f"{url}/health", timeout=30)
    except httpx.TransportError:
        return False
    if answer.json()["status"] == "failed":
        raise RuntimeError(answer.json()["error"])
    return answer.status_code == 200


def send(url: str, texts: List[str], parallel: int) -> Round:
    """Send a request for each text, and time them.

    url (str): address of a server.
    texts (List[str]): the texts.
    parallel (int): clients.
    RETURNS (Round): the times.
    RAISES (RuntimeError): an answer has an error, or is of another text.
    """
    limits = httpx.Limits(max_connections=parallel, max_keepalive_connections=parallel)
    with httpx.Client(base_url=url, limits=limits, timeout=300) as client, ThreadPoolExecutor(parallel) as pool:

        def time_one(text: str) -> float:
            start = time.perf_counter()
            answer = client.post("/annotate", json={"texts": [text]})
            seconds = time.perf_counter() - start
            (result,) = answer.raise_for_status().json()["results"]
            if result["text"] != text or "error" in result:
                raise RuntimeError(f"Found {result} for the text {text!r}.")
            return seconds

        start = time.perf_counter()
        latencies = list(pool.map(time_one, texts))
        return Round(time.perf_counter() - start, latencies)


def summarize(rounds: List[Round]) -> Dict[str, Any]:
    """Return requests per second (the median of the rounds), and percentiles of the latencies of all rounds."""
    latencies = [latency for each in rounds for latency in each.latencies]
    found = {"requests_per_second": statistics.median(len(each.latencies) / each.seconds for each in rounds)}
    return {**found, **{f"p{p}_ms": float(numpy.percentile(latencies, p)) * 1000 for p in PERCENTILES}}


def main(
    pipeline: Annotated[str, typer.Argument(help="Folder of a trained pipeline, or name of an installed one")],
    data: Annotated[Path, typer.Argument(help="DocBin with sentences")],
    requests: Annotated[int, typer.Option(help="Requests in a round")] = 200,
    parallel: Annotated[int, typer.Option(help="Requests at the same time")] = 16,
    rounds: Annotated[int, typer.Option(help="Rounds of each server; the first round is not counted")] = 4,
    threads: Annotated[int, typer.Option(help="Torch threads of a server")] = 1,
    output: Annotated[Optional[Path], typer.Option(help="JSON file")] = None,
) -> None:
    """Print requests per second, and percentiles of the latency in milliseconds."""
    sentences = [doc.text for doc in read_docbin(data, spacy.blank("en").vocab)]
    texts = list(islice(cycle(sentences), requests))
    measured: Dict[str, List[Round]] = {name: [] for name in SERVERS}
    with ExitStack() as stack:
        urls = {name: stack.enter_context(serving(pipeline, batch, threads)) for name, batch in SERVERS.items()}
        for _ in range(rounds):
            for name, url in urls.items():
                measured[name].append(send(url, texts, parallel))
    found = {name: summarize(each[1:]) for name, each in measured.items()}
    rows = [[name, *(f"{value:,.0f}" for value in each.values())] for name, each in found.items()]
    header = ("server", "requests/s", *(f"p{p} ms" for p in PERCENTILES))
    print(table(rows, header=header, divider=True, aligns=("l", "r", "r", "r", "r")))
    if output:
        result = {"requests": requests, "parallel": parallel, "rounds": rounds - 1, "threads": threads, **found}
        output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf8")


if __name__ == "__main__":
    typer.run(main)

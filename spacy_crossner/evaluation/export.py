"""`export`: a pipeline whose encoder runs on ONNX Runtime or OpenVINO, with its scores and speed before and after."""

import time
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional

import numpy as np
import torch
from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import Model

from ..data.docbin import read_docbin
from ..encoders.encoder_shim import EncoderShim
from ..encoders.exported import ARCHITECTURE, ExportedShim
from ..encoders.name_features import ARCHITECTURE as WITH_NAMES
from ..encoders.runtimes import find_runtime
from ..errors import CrossnerError
from ..storage.loading import load_pipeline
from ..storage.outputs import check_new, check_outside, write_pipeline
from .evaluate import score
from .predicting import predict
from .provenance import sha256_of

EXPORTABLE = "spacy_crossner.Encoder.v1"
# The key of the figures in meta.json.
META_KEY = "spacy_crossner_export"
# Size of the docs of random words on which speed is measured without data.
SAMPLE_DOCS, SAMPLE_WORDS = 200, 25

C216 = (
    "[C216] The pipeline '{model}' has no encoder to export: no component holds a {architecture} on PyTorch. Its "
    "components: {names}."
)


class EncoderPlace(NamedTuple):
    """An encoder in a pipeline: the component, the layer, and the position of the shim in the layer."""

    component: str
    layer: Model[Any, Any]
    position: int

    @property
    def shim(self) -> EncoderShim:
        """The encoder."""
        shim = self.layer.shims[self.position]
        assert isinstance(shim, EncoderShim)
        return shim


def find_encoders(nlp: Language) -> List[EncoderPlace]:
    """Return the encoders of a pipeline that run on PyTorch."""
    return [
        EncoderPlace(name, layer, position)
        for name, pipe in nlp.pipeline
        if isinstance(getattr(pipe, "model", None), Model)
        for layer in pipe.model.walk()  # type: ignore[attr-defined]
        for position, shim in enumerate(layer.shims)
        if isinstance(shim, EncoderShim)
    ]


def export_encoders(nlp: Language, backend: str, *, int8: bool) -> List[str]:
    """Replace the encoders of a pipeline by exported ones. The pipeline and its config are changed.

    nlp (Language): the pipeline.
    backend (str): the library that runs the encoders, "onnx" (ONNX Runtime) or "openvino".
    int8 (bool): quantize the encoders to 8-bit integers.
    RETURNS (List[str]): the names of the components with an encoder.
    RAISES (CrossnerError): there is no such backend, a library is not installed, or an encoder cannot be exported.
    """
    names = []
    for place in find_encoders(nlp):
        exported = ExportedShim.from_encoder(place.shim, backend, int8=int8)
        place.layer.shims[place.position] = exported
        settings = exported.settings
        for block in _blocks(nlp.get_pipe_config(place.component)):
            encoder = {
                "@architectures": ARCHITECTURE,
                "backend": backend,
                "pooling": settings.pooling,
                "pieces": settings.pieces,
                "overlap": settings.overlap,
                "precision": settings.precision,
                "max_pieces": settings.max_pieces,
            }
            lists, drop = block.get("names"), block.get("names_drop")
            block.clear()
            # An exported encoder has no name lists: they are a layer above it.
            names_above = {"@architectures": WITH_NAMES, "names": lists, "drop": drop, "tok2vec": encoder}
            block.update(encoder if lists is None else names_above)
        names.append(place.component)
    return names


def _blocks(config: Any) -> Iterator[Dict[str, Any]]:
    """Yield the blocks of a config that describe an encoder on PyTorch."""
    if isinstance(config, dict):
        if config.get("@architectures") == EXPORTABLE:
            yield config
        else:
            for value in config.values():
                yield from _blocks(value)


def export_pipeline(
    model: str,
    output: Path,
    backend: str,
    *,
    int8: bool = False,
    data: Optional[Path] = None,
    force: bool = False,
) -> Dict[str, Any]:
    """Load a pipeline, export its encoders, measure both pipelines on the CPU, and save the exported one.

    model (str): the folder of a pipeline or the name of an installed one. It is not changed.
    output (Path): the folder for the exported pipeline, written completely or not at all.
    backend (str): the library that runs the encoders, "onnx" (ONNX Runtime) or "openvino".
    int8 (bool): quantize the encoders to 8-bit integers.
    data (Optional[Path]): an annotated DocBin. Without one, only speed is measured, on random words.
    force (bool): replace a saved pipeline in the output folder.
    RETURNS (Dict[str, Any]): the figures, which are saved in the pipeline's meta, too: `backend`, `int8`, `components`,
        `data` with its `sha256`, or None; `threads`; `before` and `after`, each with `words_per_second`, `encoder_mb`,
        and with data `f`, the strict F1 in [0, 1].
    RAISES (CrossnerError): an input is missing, the output exists, a library is not installed, or the pipeline has no
        encoder to export.
    """
    output = Path(output)
    check_new(output, force)
    for input_path in (Path(model), *([data] if data is not None else [])):
        check_outside(output, input_path)
    find_runtime(backend).import_library()
    nlp = load_pipeline(model)
    places = find_encoders(nlp)
    if not places:
        raise CrossnerError(
            C216.format(model=model, architecture=EXPORTABLE, names=", ".join(nlp.pipe_names) or "none")
        )
    gold = None if data is None else read_docbin(data, nlp.vocab)
    docs = gold or random_docs(nlp, places[0].shim)
    before = _measure(nlp, docs, gold is not None, str(data), [place.shim for place in places])
    names = export_encoders(nlp, backend, int8=int8)
    after = _measure(nlp, docs, gold is not None, str(data), [place.layer.shims[place.position] for place in places])
    figures = {
        "backend": backend,
        "int8": int8,
        "components": names,
        "data": None if data is None else {"path": str(data), "sha256": sha256_of(data)},
        "threads": torch.get_num_threads(),
        "before": before,
        "after": after,
    }
    nlp.meta[META_KEY] = figures
    write_pipeline(nlp, output)
    return figures


def random_docs(nlp: Language, encoder: EncoderShim) -> List[Doc]:
    """Return docs of random words from the vocabulary of an encoder, always the same ones."""
    words = sorted(piece for piece in encoder.tokenizer.get_vocab() if piece.isalpha()) or ["a"]
    drawn = np.random.default_rng(0).choice(words, (SAMPLE_DOCS, SAMPLE_WORDS))
    return [Doc(nlp.vocab, words=row) for row in drawn.tolist()]


def _measure(nlp: Language, docs: List[Doc], is_gold: bool, source: str, shims: List[Any]) -> Dict[str, float]:
    # Rounded, so that meta.json gives the same numbers back.
    size = round(sum(len(shim.to_bytes()) for shim in shims) / 1e6, 3)
    if is_gold:
        scores = score(predict(nlp, docs, source=source))
        speed = round(scores["words_per_second"], 1)
        return {"words_per_second": speed, "encoder_mb": size, "f": round(scores["strict"]["f"], 5)}
    for _ in nlp.pipe([doc.copy() for doc in docs[: nlp.batch_size]]):
        pass
    copies = [doc.copy() for doc in docs]
    start = time.perf_counter()
    for _ in nlp.pipe(copies):
        pass
    seconds = time.perf_counter() - start
    return {"words_per_second": round(sum(map(len, docs)) / seconds, 1), "encoder_mb": size}

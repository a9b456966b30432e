"""How a component predicts: docs to windows, windows to tags, tags to spans with scores, spans to `doc.ents`.

`begin` gives the device its work, `finish` reads the results. Between the two, `pipe` begins the next batch, so that
the host prepares a batch while a GPU computes the one before.
"""

from collections import deque
from typing import Any, Callable, Deque, Dict, Iterable, Iterator, List, NamedTuple, Sequence, Tuple

import numpy as np
import torch
from numpy.typing import NDArray
from spacy.tokens import Doc, Span
from spacy.util import minibatch
from torch import Tensor

from ..annotations.extensions import require_extension
from ..annotations.scores import NAME as SCORE
from ..annotations.scores import get_score
from ..annotations.tags import TAGS_KEY, label_tags, tags_to_spans
from ..annotations.words import WordBatch, see_words
from ..encoders.listening import require_upstream
from ..encoders.word_encoder import to_device
from ..threads import use_ops_of
from .bridge import get_device, get_module, predict_rows, require_module
from .doc_windows import Rows, chunk_windows, plan_windows
from .encoding import predict_words
from .entities import set_candidates, set_found_entities
from .head import Decoding, HeadOutput
from .host import Fetch, begin_fetch
from .labels import LabelledComponent
from .prediction import Prediction, allowed_in_windows, spans_in_cores, without_overlaps
from .settings import DecodingSettings


class Part(NamedTuple):
    """A chunk of windows that the device works on.

    rows (Rows): the windows.
    output (HeadOutput): the output of the head.
    decoding (Decoding): the rules.
    fetch (Fetch): the results of `decode_windows`, which are on their way to the host.
    """

    rows: Rows
    output: HeadOutput
    decoding: Decoding
    fetch: Fetch


class Begun(NamedTuple):
    """A batch that the device works on: the words of its docs, and its chunks."""

    words: WordBatch
    parts: List[Part]


class PredictingComponent(LabelledComponent, DecodingSettings):
    """The part of a component that predicts."""

    get_error_handler: Callable[[], Callable[..., None]]

    @property
    def temperature(self) -> float:
        """The divisor of all scores before they become probabilities; `spacy crossner calibrate` fits it."""
        return float(self.cfg["temperature"])

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Annotate a stream of docs. On a GPU, the next batch begins before the results of a batch are read.

        stream (Iterable[Doc]): the docs.
        batch_size (int): number of docs in a batch.
        YIELDS (Doc): the docs in order.
        """
        handle_error = self.get_error_handler()
        waiting: Deque[Tuple[List[Doc], Begun]] = deque()

        def finish() -> Iterator[Doc]:
            docs, begun = waiting.popleft()
            try:
                self.set_annotations(docs, self.finish(begun))
                yield from docs
            except Exception as error:
                handle_error(self.name, self, docs, error)

        for docs in minibatch(stream, size=batch_size):
            docs = list(docs)
            try:
                waiting.append((docs, self.begin(docs)))
            except Exception as error:
                handle_error(self.name, self, docs, error)
            # On a CPU the results are there, and nothing is gained by waiting.
            while len(waiting) > (1 if self._is_asynchronous() else 0):
                yield from finish()
        while waiting:
            yield from finish()

    def _is_asynchronous(self) -> bool:
        return bool(self.model.has_ref("head")) and get_device(self.model).type == "cuda"

    def predict(self, docs: Iterable[Doc]) -> List[Prediction]:
        """Find the entities of docs without changing them.

        docs (Iterable[Doc]): the docs.
        RETURNS (List[Prediction]): the prediction for each doc.
        """
        return self.finish(self.begin(list(docs)))

    def begin(self, docs: List[Doc]) -> Begun:
        """Run the model on docs. The results are not read yet; see `finish`."""
        words = see_words(docs)
        begun = Begun(words, [])
        with use_ops_of(self.model), torch.inference_mode():
            for rows, output, decoding in self._run(docs, words):
                results = begin_fetch(self.decode_windows(output, decoding))
                begun.parts.append(Part(rows, output, decoding, results))
        return begun

    def _run(self, docs: List[Doc], words: WordBatch) -> Iterator[Tuple[Rows, HeadOutput, Decoding]]:
        """Yield chunks of the windows of a batch, with the output of the head and the rules of decoding."""
        if not len(words.columns):
            return
        require_module(self.model, self.name)
        require_upstream(self.model, docs, self.name)
        vectors = predict_words(self.model.get_ref("tok2vec"), words, get_device(self.model))
        for chunk in chunk_windows(plan_windows(words, self.window, self.overlap)):
            rows = Rows(words, chunk)
            output = predict_rows(self.model, vectors, rows)
            allowed = allowed_in_windows(
                rows, output.mask.shape[1], self.labels, beside_preset=self.preset_ents == "constrain"
            )
            decoding = Decoding(
                constrained=self.decoding == "constrained",
                allowed=None if allowed is None else to_device(allowed, output.mask.device),
                temperature=self.temperature,
            )
            yield rows, output, decoding

    def tag_probabilities(self, docs: Sequence[Doc]) -> List[NDArray[np.float64]]:
        """Return the probability of each tag at each word of docs, at the component's temperature.

        docs (Sequence[Doc]): the docs. Blank tokens are no words, see `annotations.words`.
        RETURNS (List[NDArray]): for each doc, shape (n_words, n_tags). The tags are those of `label_tags(self.labels)`.
        """
        words = see_words(docs)
        with use_ops_of(self.model), torch.inference_mode():
            return self._read_tag_probabilities(words, self._run(list(docs), words))

    def annotate(self, docs: List[Doc]) -> List[NDArray[np.float64]]:
        """Annotate docs, and return their tag probabilities from the same run of the model; see `tag_probabilities`."""
        begun = self.begin(docs)
        with use_ops_of(self.model), torch.inference_mode():
            found = self._read_tag_probabilities(begun.words, (part[:3] for part in begun.parts))
        self.set_annotations(docs, self.finish(begun))
        return found

    def _read_tag_probabilities(
        self, words: WordBatch, chunks: Iterable[Tuple[Rows, HeadOutput, Decoding]]
    ) -> List[NDArray[np.float64]]:
        found = [np.zeros((len(of_doc), 1 + 2 * len(self.labels))) for of_doc in words]
        for rows, output, decoding in chunks:
            chunk = get_module(self.model).tag_probabilities(output, decoding).cpu().numpy()
            for window, of_row in zip(rows.windows, chunk, strict=True):
                core = of_row[window.core_start - window.start : window.core_end - window.start]
                found[window.doc][window.core_start : window.core_end] = core
        return found

    def decode_windows(self, output: HeadOutput, decoding: Decoding) -> Dict[str, Tensor]:
        """Decode the head's output for windows, on the device.

        output (HeadOutput): the output of the head for the windows.
        decoding (Decoding): the rules.
        RETURNS (Dict[str, Tensor]): what `read_windows` needs.
        """
        head = get_module(self.model)
        paths, scores = head.decode_spans(output, decoding)
        results = {"paths": paths, "scores": scores}
        if self.candidates_key:
            results["candidates"], results["candidate_scores"] = head.candidates(
                output, self.candidates_floor, decoding
            )
        return results

    def finish(self, begun: Begun) -> List[Prediction]:
        """Read the results of a batch.

        begun (Begun): the batch.
        RETURNS (List[Prediction]): the prediction for each doc.
        """
        predictions = [Prediction(words=of_doc) for of_doc in begun.words]
        if self.decoding != "constrained":
            for prediction, n_words in zip(predictions, begun.words.lengths.tolist(), strict=True):
                prediction.tags = np.zeros(n_words, dtype=np.int64)
        for part in begun.parts:
            self.read_windows(part, part.fetch(), predictions)
        if sum(len(part.rows.windows) for part in begun.parts) > int((begun.words.lengths > 0).sum()):
            for prediction in predictions:
                prediction.spans = without_overlaps(sorted(prediction.spans))
        for prediction in predictions:
            prediction.to_tokens()
        return predictions

    def read_windows(self, part: Part, results: Dict[str, NDArray[Any]], predictions: List[Prediction]) -> None:
        """Add the spans and tags of windows to the predictions of their docs.

        part (Part): the windows.
        results (Dict[str, NDArray]): what `decode_windows` has returned.
        predictions (List[Prediction]): the predictions of all docs, changed in place.
        """
        paths, windows = results["paths"], part.rows.windows
        spans = tags_to_spans(paths, part.rows.lengths(), strict=self.decoding == "strict")
        threshold = self.cfg["threshold"] if self.threshold is None else self.threshold
        scores = results["scores"][spans[:, 0], spans[:, 1]]
        if (missing := np.isnan(scores)).any():
            # A sum that is out of the range of the fast method on a GPU.
            exact = torch.from_numpy(spans[missing]).to(part.output.mask.device)
            with torch.inference_mode():
                again = get_module(self.model).span_probabilities(part.output, exact, part.decoding)
            scores[missing] = again.double().cpu().numpy()
        for i, span in spans_in_cores(windows, spans, scores, self.labels):
            if span[3] >= threshold:
                predictions[i].spans.append(span)
        if self.candidates_key:
            candidates, scores = results["candidates"], results["candidate_scores"]
            for i, span in spans_in_cores(windows, candidates, scores, self.labels):
                predictions[i].candidates.append(span)
        if self.decoding != "constrained":
            for window, path in zip(windows, paths, strict=True):
                tags = predictions[window.doc].tags
                assert tags is not None
                core = path[window.core_start - window.start : window.core_end - window.start]
                tags[window.core_start : window.core_end] = core

    def set_annotations(self, docs: Iterable[Doc], scores: Sequence[Prediction]) -> None:
        """Set the entities of docs with their scores, and the spans group of candidates if `candidates_key` is set.

        A preset entity that is kept (see `preset_ents`) keeps its score. If it has no score, its score is set to 1.0.

        docs (Iterable[Doc]): the docs.
        scores (Sequence[Prediction]): the output of `predict`.
        """
        docs = list(docs)
        require_extension(Span, SCORE, get_score)
        set_found_entities(docs, scores, keep_preset=self.preset_ents != "overwrite")
        names = label_tags(self.labels)
        for doc, prediction in zip(docs, scores, strict=True):
            if prediction.tags is not None:
                doc.user_data[TAGS_KEY] = [names[tag] for tag in prediction.tags]
            if self.candidates_key:
                set_candidates(doc, prediction.candidates, self.candidates_key)

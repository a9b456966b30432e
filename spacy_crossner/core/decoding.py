"""How a component predicts: docs to windows, windows to tags, tags to spans with scores, spans to `doc.ents`."""

from typing import Iterable, List, Optional, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from spacy.tokens import Doc, Span

from ..annotations.extensions import require_extension
from ..annotations.scores import NAME as SCORE
from ..annotations.scores import get_score
from ..annotations.tags import TAGS_KEY, label_tags
from ..annotations.words import see_words
from ..encoders.listening import require_upstream
from ..threads import use_ops_of
from .alignment import tags_to_spans
from .bridge import get_module, predict_rows, require_module
from .doc_windows import Window, chunk_windows, plan_windows
from .head import Decoding, HeadOutput
from .labels import LabelledComponent
from .prediction import (
    Prediction,
    allowed_in_windows,
    set_candidates,
    set_entities,
    spans_in_cores,
    without_overlaps,
)
from .settings import DecodingSettings


class PredictingComponent(LabelledComponent, DecodingSettings):
    """The part of a component that predicts."""

    @property
    def temperature(self) -> float:
        """The divisor of all scores before they become probabilities; `spacy crossner calibrate` fits it."""
        return float(self.cfg["temperature"])

    def predict(self, docs: Iterable[Doc]) -> List[Prediction]:
        """Find the entities of docs without changing them.

        docs (Iterable[Doc]): the docs.
        RETURNS (List[Prediction]): the prediction for each doc.
        """
        docs = list(docs)
        words = see_words(docs)
        predictions = [Prediction() for _ in docs]
        if not any(len(doc) for doc, _ in words):
            return predictions
        require_module(self.model, self.name)
        require_upstream(self.model, docs, self.name)
        word_docs = [doc for doc, _ in words]
        if self.decoding != "constrained":
            for doc, prediction in zip(word_docs, predictions, strict=True):
                prediction.tags = np.zeros(len(doc), dtype=np.int64)
        windows = plan_windows(word_docs, self.window, self.overlap)
        chunks = list(chunk_windows(windows))
        rows = ([(window.doc, window.start, window.end) for window in chunk] for chunk in chunks)
        with use_ops_of(self.model), torch.inference_mode():
            for chunk, output in zip(chunks, predict_rows(self.model, docs, words, rows), strict=True):
                allowed = allowed_in_windows(
                    docs,
                    words,
                    chunk,
                    output.emissions.shape[1],
                    self.labels,
                    beside_preset=self.preset_ents == "constrain",
                )
                self.read_windows(word_docs, chunk, output, allowed, predictions)
        if len(windows) > sum(len(doc) > 0 for doc in word_docs):
            for prediction in predictions:
                prediction.spans = without_overlaps(sorted(prediction.spans))
        for doc, words_of_doc, prediction in zip(docs, words, predictions, strict=True):
            prediction.candidates.sort(key=lambda span: (-span[3], span))
            prediction.to_tokens(doc, words_of_doc)
        return predictions

    def read_windows(
        self,
        words: List[Doc],
        windows: List[Window],
        output: HeadOutput,
        allowed: Optional[NDArray[np.bool_]],
        predictions: List[Prediction],
    ) -> None:
        """Decode the head's output for windows, and add the spans and tags to the predictions of their docs.

        words (List[Doc]): the words of all docs.
        windows (List[Window]): the windows.
        output (HeadOutput): the output of the head for the windows.
        allowed (Optional[NDArray]): which tags the words may take, see `allowed_in_windows`; None for all tags.
        predictions (List[Prediction]): the predictions of all docs, changed in place.
        """
        head, device = get_module(self.model), output.mask.device
        decoding = Decoding(
            constrained=self.decoding == "constrained",
            allowed=None if allowed is None else torch.from_numpy(allowed).to(device),
            temperature=self.temperature,
        )
        paths = head.decode(output, decoding).cpu().numpy()
        lengths = np.array([window.end - window.start for window in windows])
        spans = tags_to_spans(paths, lengths, strict=self.decoding == "strict")
        if len(spans):
            threshold = self.cfg["threshold"] if self.threshold is None else self.threshold
            scores = head.span_probabilities(output, torch.from_numpy(spans).to(device), decoding)
            for i, span in spans_in_cores(windows, spans, scores.cpu().numpy(), self.labels):
                if span[3] >= threshold:
                    predictions[i].spans.append(span)
        if self.candidates_key:
            candidates, scores = head.candidates(output, self.candidates_floor, decoding)
            for i, span in spans_in_cores(windows, candidates.cpu().numpy(), scores.cpu().numpy(), self.labels):
                predictions[i].candidates.append(span)
        for window, path in zip(windows, paths, strict=True):
            tags = predictions[window.doc].tags
            if tags is not None:
                core = path[window.core_start - window.start : window.core_end - window.start]
                tags[window.core_start : window.core_end] = core

    def set_annotations(self, docs: Iterable[Doc], scores: Sequence[Prediction]) -> None:
        """Set the entities of docs with their scores, and the spans group of candidates if `candidates_key` is set.

        A preset entity that is kept (see `preset_ents`) keeps its score. If it has no score, its score is set to 1.0.

        docs (Iterable[Doc]): the docs.
        scores (Sequence[Prediction]): the output of `predict`.
        """
        require_extension(Span, SCORE, get_score)
        names = label_tags(self.labels)
        for doc, prediction in zip(docs, scores, strict=True):
            if prediction.tags is not None:
                doc.user_data[TAGS_KEY] = [names[tag] for tag in prediction.tags]
            set_entities(doc, prediction.spans, keep_preset=self.preset_ents != "overwrite")
            if self.candidates_key:
                set_candidates(doc, prediction.candidates, self.candidates_key)

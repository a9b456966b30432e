"""Teachers: trained pipelines whose tag probabilities are averaged."""

from typing import List, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray
from spacy.language import Language
from spacy.tokens import Doc

from ..annotations.domains import without_annotation
from ..annotations.tags import label_tags
from ..core.component import SequenceNER
from ..errors import CrossnerError, Errors
from ..storage.loading import load_pipeline


class Teachers:
    """Pipelines with one label set. Each gives its probabilities at its own temperature.

    models (Sequence[str]): folders of pipelines, or names of installed ones; at least one. The last component of
        spacy-crossner in a pipeline is used, after the components before it.
    gpu_id (int): GPU, -1 for the CPU.
    RAISES (CrossnerError): a pipeline cannot be loaded or has no such component, or the languages or the label sets of
        the pipelines differ.
    """

    def __init__(self, models: Sequence[str], gpu_id: int = -1) -> None:
        self.models = list(models)
        self.pipelines = [self._open(model, gpu_id) for model in models]
        first, component = self.pipelines[0]
        self.labels = sorted(component.labels)
        self.lang = str(first.lang)
        self.tokenizer = first.tokenizer
        for model, (nlp, pipe) in zip(models, self.pipelines, strict=True):
            differing = sorted(set(pipe.labels) ^ set(self.labels))
            if differing:
                raise CrossnerError(Errors.C605.format(other=model, first=models[0], differing=", ".join(differing)))
            if nlp.lang != self.lang:
                raise CrossnerError(
                    Errors.C615.format(other=model, lang=nlp.lang, first=models[0], first_lang=self.lang)
                )

    def _open(self, model: str, gpu_id: int) -> Tuple[Language, SequenceNER]:
        nlp = load_pipeline(model, gpu_id)
        names = [name for name, pipe in nlp.pipeline if isinstance(pipe, SequenceNER)]
        if not names:
            raise CrossnerError(Errors.C608.format(model=model, names=", ".join(nlp.pipe_names) or "no components"))
        pipe = nlp.get_pipe(names[-1])
        assert isinstance(pipe, SequenceNER)
        nlp.select_pipes(enable=nlp.pipe_names[: nlp.pipe_names.index(names[-1])])
        return nlp, pipe

    def average(self, docs: Sequence[Doc]) -> List[NDArray[np.float64]]:
        """Return the mean of the teachers' probabilities for each tag at each token.

        docs (Sequence[Doc]): docs without blank tokens.
        RETURNS (List[NDArray]): for each doc, shape (n_tokens, n_tags), for the tags of `label_tags(self.labels)`.
        """
        means = [np.zeros((len(doc), 1 + 2 * len(self.labels))) for doc in docs]
        tags = label_tags(self.labels)
        for nlp, pipe in self.pipelines:
            index = {tag: i for i, tag in enumerate(label_tags(pipe.labels))}
            order = [index[tag] for tag in tags]
            inputs = nlp.pipe(without_annotation(doc, nlp.vocab) for doc in docs)
            for mean, found in zip(means, pipe.tag_probabilities(list(inputs)), strict=True):
                mean += found[:, order] / len(self.pipelines)
        return means

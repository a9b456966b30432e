"""The pipelines that the benchmarks of speed compare, with random weights where no trained pipeline is given."""

from pathlib import Path
from typing import Any, Iterable, List, Sequence, Union

import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Adam
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoTokenizer, PretrainedConfig
from transformers.modeling_outputs import BaseModelOutput
from turns import Run

from spacy_crossner.encoders.encoder import word_encoder
from spacy_crossner.encoders.encoder_shim import EncoderShim

# Batch settings in spaCy's own default pipelines.
SPACY_BATCH = 64
# As in configs/.
BATCH = 512
UPDATE_DOCS = 8
# With it, `update` takes no step of its own; spaCy's annotation leaves it out.
NO_OPTIMIZER: Any = False
FACTORIES = {"crf": ("crf_ner", "spacy_crossner.CRF.v1"), "laner": ("label_aware_ner", "spacy_crossner.LabelAware.v1")}


class TableEncoder(nn.Module):
    """Stands for an encoder that takes hardly any time: looks up a random vector for each piece.

    config (PretrainedConfig): the config of the encoder.
    """

    def __init__(self, config: PretrainedConfig) -> None:
        super().__init__()
        self.config = config
        self.table = nn.Embedding(config.vocab_size, config.hidden_size)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Any = None) -> BaseModelOutput:
        """Return the vectors, shape (n_rows, n_pieces, hidden_size)."""
        return BaseModelOutput(last_hidden_state=self.table(input_ids))


def save_tiny_encoder(encoder: str, folder: Path) -> Path:
    """Save an encoder of one layer and width 16, with random weights and the tokenizer of another encoder."""
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 16}
    config = AutoConfig.from_pretrained(encoder, trust_remote_code=False, **small)
    AutoModel.from_config(config, trust_remote_code=False).save_pretrained(folder)
    AutoTokenizer.from_pretrained(encoder, trust_remote_code=False).save_pretrained(folder)
    return folder


def encoder_of(nlp: Language) -> EncoderShim:
    """Return the encoder of the component `ner`."""
    ner: Any = nlp.get_pipe("ner")
    encoder = word_encoder(ner.model.get_ref("tok2vec"))
    assert isinstance(encoder, EncoderShim)
    return encoder


def make_pipeline(method: str, encoder: str, docs: Sequence[Doc], updates: int, *, stub: bool = False) -> Language:
    """Return a pipeline of a method on an encoder, with a few updates.

    The encoder is not updated. Without updates, a head would find an entity at every other word.

    method (str): "crf" or "laner".
    docs (Sequence[Doc]): annotated docs.
    updates (int): number of updates, of 8 docs each.
    stub (bool): put a `TableEncoder` in place of the encoder. Such a pipeline cannot be saved.
    """
    nlp = spacy.blank("en")
    factory, architecture = FACTORIES[method]
    tok2vec = {"@architectures": "spacy_crossner.Encoder.v1", "name": encoder, "precision": "fp32"}
    nlp.add_pipe(factory, name="ner", config={"model": {"@architectures": architecture, "tok2vec": tok2vec}})
    nlp.batch_size = BATCH
    examples = as_examples(docs)
    nlp.initialize(lambda: examples)
    if stub:
        shim = encoder_of(nlp)
        shim._model = TableEncoder(shim._model.config).to(shim.device)
    ner: Any = nlp.get_pipe("ner")
    head, optimizer = ner.model.get_ref("head"), Adam(0.005)
    for update in range(updates):
        places = [(update * UPDATE_DOCS + i) % len(examples) for i in range(UPDATE_DOCS)]
        nlp.update([examples[place] for place in places], sgd=NO_OPTIMIZER)
        head.finish_update(optimizer)
        encoder_of(nlp)._model.zero_grad()
    return nlp


def pipe_all(nlp: Language, texts: Iterable[Union[str, Doc]]) -> Run:
    """Return a function that runs a pipeline on texts or docs."""

    def run() -> None:
        for _ in nlp.pipe(texts):
            pass

    return run


def take_step(nlp: Language, examples: List[Example], optimizer: Any, dropout: float) -> None:
    """Take a training step as `train` takes it."""
    nlp.update(examples, sgd=NO_OPTIMIZER, drop=dropout, losses={})
    component: Any
    for _, component in nlp.pipeline:
        component.finish_update(optimizer)
    optimizer.step_schedules()


def load_with_precision(folder: Path, precision: str) -> Language:
    """Load a pipeline whose component `ner` has its encoder inside, with another precision at prediction."""
    return spacy.load(folder, config={"components": {"ner": {"model": {"tok2vec": {"precision": precision}}}}})


def make_spacy_ner(encoder: str, docs: Sequence[Doc]) -> Language:
    """Return spaCy's transformer and `ner` on the same encoder at spaCy's defaults, with random weights.

    The weights do not affect its speed.
    """
    nlp = spacy.blank("en")
    nlp.add_pipe("transformer", config={"model": {"name": encoder}})
    listener = {
        "@architectures": "spacy-transformers.TransformerListener.v1",
        "pooling": {"@layers": "reduce_mean.v1"},
    }
    nlp.add_pipe("ner", config={"model": {"tok2vec": listener}})
    nlp.batch_size = SPACY_BATCH
    examples = as_examples(docs)
    nlp.initialize(lambda: examples)
    return nlp


def as_examples(docs: Sequence[Doc]) -> List[Example]:
    """Return annotated docs as examples."""
    return [Example(Doc(doc.vocab, words=[token.text for token in doc]), doc) for doc in docs]

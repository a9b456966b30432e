import shutil

import spacy
from spacy_transformers.span_getters import configure_get_doc_spans
from transformers import BertConfig, DistilBertConfig, DistilBertModel

from spacy_crossner.encoders.spacy_trf.transformer import build_transformer_model


def test_a_tokenizer_may_give_what_the_encoder_does_not_take(tiny_encoder, tmp_path):
    # BERT's tokenizer gives token_type_ids.
    folder = tmp_path / "encoder"
    shutil.copytree(tiny_encoder, folder)
    vocab_size = BertConfig.from_pretrained(folder).vocab_size
    config = DistilBertConfig(vocab_size=vocab_size, dim=16, n_layers=1, n_heads=2, hidden_dim=32)
    DistilBertModel(config).save_pretrained(folder)
    model = build_transformer_model(str(folder), configure_get_doc_spans())
    model.initialize()
    assert model.get_dim("nO") == 16
    batch = model.predict([spacy.blank("en").make_doc("ada met paris")])
    assert batch.wordpieces.token_type_ids.tolist() == [[0, 0, 0, 0, 0]]
    assert batch.model_output.last_hidden_state.shape == (1, 5, 16)

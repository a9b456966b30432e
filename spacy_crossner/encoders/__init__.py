"""From text to token vectors: pre-trained transformers, BiLSTMs over word vectors, and pooling of pieces to tokens."""

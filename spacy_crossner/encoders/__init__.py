"""From text to token vectors: pre-trained transformers, BiLSTMs over word vectors, and what pools pieces to tokens."""

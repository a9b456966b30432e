"""Domain-adaptive pre-training: select text, mask it, train the encoder on."""

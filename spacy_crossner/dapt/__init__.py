"""Domain-adaptive pre-training: continue the masked language modelling of an encoder on raw text."""

"""The torch modules of the heads. They import neither spaCy nor thinc."""

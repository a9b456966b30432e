"""The encoder layers that are built on spacy-transformers. No other folder imports spacy-transformers."""

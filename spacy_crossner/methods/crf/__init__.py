"""`crf_ner`: a linear layer on token vectors with a CRF or a softmax (the tagger of CrossNER)."""

"""`param_gen_ner`: a BiLSTM with generated weights beside language models (Jia et al., 2019)."""

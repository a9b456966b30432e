"""`moee_ner`: each tag from a mixture of features of one expert an entity type (MoEE)."""

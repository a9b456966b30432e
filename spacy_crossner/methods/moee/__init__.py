"""`moee_ner`: each tag from a mixture of features, one expert for each entity type (MoEE)."""

"""`moee_ner`: entity recognition with a mixture of entity experts, one for each entity type (MoEE)."""

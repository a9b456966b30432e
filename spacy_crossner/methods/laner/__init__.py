"""`label_aware_ner`: each tag is predicted from the sentence and from the tags before it (LANER)."""

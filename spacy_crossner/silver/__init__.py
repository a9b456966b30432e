"""Labels that no person gave: text as a pipeline labels it, to train on."""

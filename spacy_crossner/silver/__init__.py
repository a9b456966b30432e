"""Silver data: text labelled by a pipeline, to train on."""

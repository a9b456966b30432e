"""Silver data: training data that a pipeline labelled."""

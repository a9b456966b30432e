"""Training: the training loop, and the readers, batchers, optimizers, loggers and callbacks of its configs."""

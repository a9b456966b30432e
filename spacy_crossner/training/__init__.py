"""What a training config refers to: readers, batchers, optimizers, loggers, callbacks."""

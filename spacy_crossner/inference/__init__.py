"""Annotate a corpus with a trained pipeline: rows, blocks, worker processes, and the forms of the output."""

"""Evaluation: scores of tags, a pipeline run on gold tokens, the table on the terminal."""

"""Comparison: run a grid of methods, domains and seeds with the project's commands, and write result tables."""

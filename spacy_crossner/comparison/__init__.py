"""The comparison: a grid of methods, domains and seeds, run by the project's own steps, and its tables."""

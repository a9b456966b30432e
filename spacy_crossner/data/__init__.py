"""Data: text files to validated DocBins, seeded splits, and counts."""

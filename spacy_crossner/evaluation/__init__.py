"""Evaluation: score pipelines, calibrate their scores, and report mistakes."""

"""Annotation on Docs: tags, words without blank tokens, scores, domains, experts."""

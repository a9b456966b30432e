"""Self-training: teachers label raw text, and a student learns from it."""

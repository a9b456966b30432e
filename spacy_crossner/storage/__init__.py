"""What is on disk: formats, locks, folders that are replaced, pipelines and their packages."""

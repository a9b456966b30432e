"""Files on disk: format versions, locks, folders that are replaced, pipelines and their packages."""

"""From a user's files to a project: what the files are, the `project.yml` that fits them, and its run."""

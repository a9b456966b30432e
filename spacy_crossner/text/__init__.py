"""Raw text: sentence splitting, mentions of listed entities, and selection of a corpus without held-out sentences."""

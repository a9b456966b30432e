"""Raw text: sentences, names that occur in them, what to take and what to leave out."""

"""The forms of JSON in which annotation tools and libraries keep entities."""

"""The thinc side: encoders, the bridge between thinc and torch, one builder a head."""

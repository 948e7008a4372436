"""Search spaces: what an architecture is."""

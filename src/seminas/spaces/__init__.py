"""Search spaces: the sets of architectures that a search chooses from."""

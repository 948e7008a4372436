"""The commands. Each command has a file that composes its config, checks it, builds the objects and runs them."""

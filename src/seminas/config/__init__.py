"""Configuration: settings classes, and functions that compose a config, check it and build objects from it."""

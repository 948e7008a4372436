"""One file for each command: compose, check, build, run."""

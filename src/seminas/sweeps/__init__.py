"""The folder of a sweep: its jobs and their states, its progress display, and how to resume it."""
